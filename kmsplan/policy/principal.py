"""Who may manage a key and who may use it, as its policy says: allowed less denied, action by action."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson

from kmsplan.kms.lifecycle import LIFECYCLE, KeyState
from kmsplan.kms.policy import ALLOW, meant
from kmsplan.kms.settling import OPERATIONS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_READS: Final = frozenset({"AsymmetricVerify", "VerifyMac", "GetPublicKey", "GetParametersForImport"})
"""What neither changes a key nor does anything that needs its secret kept."""
MANAGES: Final = frozenset(OPERATIONS) | {"TagResource", "UntagResource", "DeleteKeyMaterial"}
"""Actions that change a key or what is known of it."""
USES: Final = (
    frozenset(
        action
        for action, state in LIFECYCLE
        if state is KeyState.DISABLED and LIFECYCLE[action, state] == "Rejected.Disabled"
    )
    - MANAGES
    - _READS
)
"""Actions that need the key's material: those that a disabled key refuses."""
_EVERYBODY: Final = ":*"


class Principals(NamedTuple):
    """Sorted ARNs."""

    administrators: tuple[str, ...] = ()
    users: tuple[str, ...] = ()


def principals(policy: Mapping[str, Any] | None) -> Principals:
    """Return who may do what by a well-formed key policy; nobody is named where there is none."""
    return _principals(orjson.dumps(policy["Statement"])) if policy else Principals()


@lru_cache(maxsize=1024)
def _principals(statements: bytes) -> Principals:
    """Thousands of keys share a few policies."""
    allowed: dict[str, set[str]] = {}
    denied: dict[str, set[str]] = {}
    for statement in orjson.loads(statements):
        said = allowed if statement["Effect"] == ALLOW else denied
        actions = _actions(statement["Action"])
        for principal in statement["Principal"]["RAM"]:
            said.setdefault(principal, set()).update(actions)
    left = {principal: actions - _denied(denied, principal) for principal, actions in allowed.items()}
    return Principals(
        administrators=tuple(sorted(one for one, actions in left.items() if actions & MANAGES)),
        users=tuple(sorted(one for one, actions in left.items() if actions & USES)),
    )


def _denied(denied: Mapping[str, set[str]], principal: str) -> set[str]:
    everybody = principal.rpartition(":")[0] + _EVERYBODY
    return denied.get(principal, set()) | denied.get(everybody, set())


def _actions(patterns: Iterable[str]) -> set[str]:
    """Return the actions that patterns mean; names compare without regard to case, as the KMS does it."""
    pattern = meant(patterns)
    return {action for action in MANAGES | USES if pattern.fullmatch(f"kms:{action}")}
