"""GenerateMac and VerifyMac."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, NamedTuple

from kmsplan.kms.spec import KeyUsage

if TYPE_CHECKING:
    from kmsplan.engine.dataplane.call import Call


class Code(NamedTuple):
    """A message authentication code, and what made it."""

    mac: bytes
    algorithm: str
    key_id: str


class Checked(NamedTuple):
    """Whether a code is the message's, and under what."""

    holds: bool
    algorithm: str
    key_id: str


def generate(call: Call, key: str, algorithm: str | None, message: bytes) -> Code:
    """Return the code of a message."""
    target = call.find(key, usage=KeyUsage.MAC, symmetric=True)
    chosen = target.algorithm(algorithm)
    call.request.parameters = {"Algorithm": chosen}
    return Code(target.authenticator(call.core).mac(chosen, message), chosen, target.key_id)


def verify(call: Call, key: str, algorithm: str | None, message: bytes, mac: bytes) -> Checked:
    """Check a code; a wrong one is an answer, no error."""
    code = generate(call, key, algorithm, message)
    # In constant time: how many bytes are right must not show, or a code could be guessed byte by byte.
    return Checked(hmac.compare_digest(code.mac, mac), code.algorithm, code.key_id)
