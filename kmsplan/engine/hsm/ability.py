"""What the token can do, asked once per algorithm family and process."""

from __future__ import annotations

import json
from threading import Lock
from typing import TYPE_CHECKING, Final

from kmsplan.engine.hsm.message import Op
from kmsplan.kms.spec import SPECS, Family, KeySpec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kmsplan.engine.hsm.supervisor import Supervisor

FAMILIES: Final = (Family.AES, Family.HMAC, Family.EC, Family.RSA)
"""What this backend knows to ask for in PKCS#11."""


class Abilities:
    """The token's answers to the probes, remembered."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor
        self._lock = Lock()
        self._known: dict[Family, Mapping[KeySpec, tuple[str, ...]]] = {}

    def algorithms(self, spec: KeySpec) -> tuple[str, ...]:
        """Return the algorithms that work with a key of this spec, in table order; none if no such key can be made.

        The first question about RSA takes as long as the token makes a key of 2,048 bits, others some milliseconds.

        Raises:
            HsmError: the token does not answer.
        """
        return self._family(SPECS[spec].family).get(spec, ())

    def all(self) -> dict[KeySpec, tuple[str, ...]]:
        """Return every spec that can be made, with its algorithms.

        Raises:
            HsmError: the token does not answer.
        """
        return {spec: algorithms for family in FAMILIES for spec, algorithms in self._family(family).items()}

    def _family(self, family: Family) -> Mapping[KeySpec, tuple[str, ...]]:
        if family not in FAMILIES:
            return {}
        with self._lock:
            if family not in self._known:
                answer = json.loads(self._supervisor.call(Op.PROBE, family.encode())[0])
                self._known[family] = {KeySpec(spec): tuple(algorithms) for spec, algorithms in answer.items()}
            return self._known[family]
