from __future__ import annotations

import os
import socket
from dataclasses import dataclass, field
from threading import Timer
from typing import TYPE_CHECKING, cast

import pytest

from kmsplan.engine.hsm import worker
from kmsplan.engine.hsm.message import Fault, Op, TokenFaultError, send
from kmsplan.engine.hsm.worker import Lane
from kmsplan.kms.spec import KeySpec, KeyUsage
from tests.softhsm import random_reference

if TYPE_CHECKING:
    from kmsplan.engine.hsm.driver import Driver


@dataclass
class _Token:
    """Stands for a driver whose client dies while it makes a key."""

    client: socket.socket
    existed: bool = False
    fault: Fault | None = None
    destroyed: list[bytes] = field(default_factory=list)

    def seat(self) -> None:
        return None

    def generate(self, spec: KeySpec, usage: KeyUsage, reference: bytes) -> tuple[bool, list[bytes]]:
        del spec, usage, reference
        self.client.close()
        if self.fault:
            raise TokenFaultError(self.fault)
        return self.existed, []

    def destroy(self, seat: None, reference: bytes) -> None:
        del seat
        self.destroyed.append(reference)


@pytest.mark.parametrize(
    ("facts", "goes"),
    [({}, True), ({"existed": True}, False), ({"fault": Fault.SICK}, True)],
    ids=["made", "there before", "half made"],
)
def test_what_is_made_for_a_client_that_is_gone_goes_again(facts: dict[str, object], *, goes: bool) -> None:
    client, lane = socket.socketpair()
    token, reference = _Token(client, **facts), random_reference()  # type: ignore[arg-type]
    send(client, Op.GENERATE, [KeySpec.AES_256.encode(), KeyUsage.ENCRYPT.encode(), reference])
    with lane:
        Lane(lane, cast("Driver", token), set(), set()).serve()
    assert token.destroyed == [reference] * goes


def test_the_process_ends_only_when_all_is_taken_back(monkeypatch: pytest.MonkeyPatch) -> None:
    client, lane = socket.socketpair()
    ended: list[tuple[int, bool]] = []
    owing = {cast("Lane", object())}
    monkeypatch.setattr(worker, "GRACE", 0)
    monkeypatch.setattr(os, "_exit", lambda code: ended.append((code, bool(owing))))
    Timer(0.1, owing.clear).start()
    client.close()
    with lane:
        worker._watch(os.getppid(), [lane], owing)
    assert ended == [(1, False)]
