"""Laws of crashes: from one configuration to the next, whatever dies or fails on the way, it comes to the same."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kmsplan.kms.naming import Owner
from tests.property.apply_world import (
    Desired,
    Died,
    World,
    desired,
    dying,
    failing,
    fault_of,
    faults,
    settled_down,
)

_LAST_POINT = 120
"""Beyond the last place where an apply of such a configuration can die."""


@dataclass(frozen=True)
class Crash:
    """The process ends at a place: around a call of the KMS, a flush, a rename."""

    point: int


@dataclass(frozen=True)
class FullDisk:
    """From one write on, the disk takes half of it and fails."""

    point: int


@dataclass(frozen=True)
class Answers:
    """What comes in place of the KMS's answers, one after the other; the operation may have happened."""

    kinds: tuple[tuple[str | None, bool] | None, ...]


Trouble = Crash | FullDisk | Answers
points = st.integers(0, _LAST_POINT)
troubles = st.lists(
    st.one_of(
        points.map(Crash),
        st.integers(0, _LAST_POINT // 4).map(FullDisk),
        st.lists(faults, max_size=12).map(lambda kinds: Answers(tuple(kinds))),
    ),
    max_size=3,
)


@dataclass(frozen=True)
class Chapter:
    """A configuration, and what happens to the runs that apply it."""

    objects: Desired
    troubles: list[Trouble]
    finished: bool
    """Whether a last run comes through before the next configuration is applied."""


chapters = st.lists(st.builds(Chapter, desired(), troubles, st.booleans()), min_size=1, max_size=3)


def suffer(world: World, objects: Desired, trouble: Trouble) -> None:
    """Apply once, with something going wrong."""
    with pytest.MonkeyPatch.context() as patch:
        match trouble:
            case Crash(point):
                dying(point, patch)
            case FullDisk(point):
                failing(point, patch)
            case Answers(kinds):
                left = iter(kinds)
                patch.setattr(world.kms, "fault", lambda _: fault_of(next(left, None)))
        try:
            world.apply(objects)
        except Died:
            return
        except Exception as error:  # noqa: BLE001 - a state that could not be made, which says so
            assert "No space left on device" in str(error)  # noqa: PT017 - of those that do not end in an outcome


def held(world: World) -> list[Any]:
    """Return what the KMS holds, free of ids and of the order in which it came."""
    addresses = {found.identity: _address(found.owner) or found.identity for found in world.kms.objects.values()}
    return sorted(
        (
            [
                addresses[found.identity],
                found.state,
                {name: _named(value, addresses) for name, value in found.attributes.items()},
            ]
            for found in world.kms.objects.values()
        ),
        key=repr,
    )


def _named(value: Any, addresses: dict[str, str]) -> Any:
    return addresses.get(value, value) if isinstance(value, str) else value


def _address(owner: str | None) -> str | None:
    parsed = Owner.parse(owner or "")
    return parsed.address if parsed else None


def calm(told: Iterable[Chapter], folder: Path) -> World:
    """Return a world where nothing went wrong."""
    world = World(folder)
    for chapter in told:
        settled_down(world, chapter.objects)
    return world


@settings(max_examples=30, deadline=None)
@given(chapters, st.sampled_from([1, 4]))
def test_whatever_dies_or_fails_on_the_way_the_last_configuration_is_reached_with_every_object_once(
    told: list[Chapter], parallelism: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder), parallelism=parallelism)
        for chapter in told:
            for trouble in chapter.troubles:
                suffer(world, chapter.objects, trouble)
            if chapter.finished:
                settled_down(world, chapter.objects)
        settled_down(world, told[-1].objects)


@settings(max_examples=25, deadline=None)
@given(chapters, st.sampled_from([1, 4]))
def test_where_each_configuration_is_finished_all_comes_to_the_same_as_if_nothing_had_gone_wrong(
    told: list[Chapter], parallelism: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder) / "troubled", parallelism=parallelism)
        for chapter in told:
            for trouble in chapter.troubles:
                suffer(world, chapter.objects, trouble)
            settled_down(world, chapter.objects)
        assert held(world) == held(calm(told, Path(folder) / "calm"))
