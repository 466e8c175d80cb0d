"""File descriptors: raised to what is needed, and a part of them kept from clients."""

from __future__ import annotations

import resource
import sys

import pytest

from kmsplan.server import descriptor
from kmsplan.server.descriptor import RESERVE

INFINITE = resource.RLIM_INFINITY


@pytest.mark.parametrize(
    ("limits", "becomes"),
    [
        ((1024, 524288), (4096 + RESERVE, 524288)),
        ((1024, INFINITE), (4096 + RESERVE, INFINITE)),
        ((1024, 2048), (2048, 2048)),
        ((20000, 20000), None),
        ((INFINITE, INFINITE), None),
    ],
    ids=["service", "unlimited", "low", "enough", "no limit"],
)
def test_the_limit_is_raised_as_far_as_connections_need_it_and_it_may(
    limits: tuple[int, int], becomes: tuple[int, int] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: limits)
    monkeypatch.setattr(resource, "setrlimit", lambda _, given: made.append(given))
    descriptor.provide(4096)
    assert made == ([] if becomes is None else [becomes])


@pytest.mark.parametrize(
    ("soft", "first"), [(4352, 4096), (64, 48), (INFINITE, sys.maxsize)], ids=["raised", "low", "no limit"]
)
def test_the_last_descriptors_are_no_connections(soft: int, first: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, INFINITE))
    assert descriptor.reserved_from() == first
