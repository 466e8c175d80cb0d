"""What a key's policy decides: read once for each text, decided once for each question.

A statement speaks about a caller whom its principals name and an action that one of its patterns matches; actions that
do not exist match nothing. One that denies beats every one that allows, and who is not allowed is refused. Action names
compare without regard to case, so that a denial holds however it was typed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from kmsplan.kms.policy import ALLOW, DENY, PRINCIPAL, meant

if TYPE_CHECKING:
    import re
    from collections.abc import Iterable, Mapping

EVERYBODY: Final = "*"
ROOT: Final = "root"
_POLICIES: Final = 1024
_QUESTIONS: Final = 16_384
_NOBODY: Final = "user/"
"""A name that no user has and no policy can name: whom it may, everybody else may too."""


class Effect(StrEnum):
    """What a statement does."""

    ALLOW = ALLOW
    DENY = DENY


@dataclass(frozen=True, slots=True)
class Principal:
    """A name of the access management (RAM) within an account."""

    account: str
    name: str
    """`*`, `root`, `user/NAME` or `role/NAME`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One statement of a key policy."""

    effect: Effect
    principals: frozenset[Principal]
    actions: re.Pattern[str]

    def speaks_about(self, who: Principal, action: str) -> bool:
        """Return whether the statement is about a caller's action."""
        named = who in self.principals or Principal(who.account, EVERYBODY) in self.principals
        return named and self.actions.fullmatch(f"kms:{action}") is not None


def statements(policy: Mapping[str, Any]) -> tuple[Statement, ...]:
    """Return the statements of a well-formed policy.

    What has a condition never allows, and always denies: nobody evaluates it, and the engine takes no such policy.
    """
    return tuple(
        _statement(found)
        for found in policy["Statement"]
        if not (found.get("Condition") and found["Effect"] == Effect.ALLOW)
    )


def _statement(found: Mapping[str, Any]) -> Statement:
    matches = filter(None, map(PRINCIPAL.fullmatch, found["Principal"]["RAM"]))
    return Statement(
        effect=Effect(found["Effect"]),
        principals=frozenset(Principal(match[1], match[2]) for match in matches),
        actions=meant(found["Action"]),
    )


def decide(found: Iterable[Statement], who: Principal, action: str) -> bool:
    """Return whether the statements allow a caller an action."""
    effects = {statement.effect for statement in found if statement.speaks_about(who, action)}
    return Effect.ALLOW in effects and Effect.DENY not in effects


@lru_cache(_QUESTIONS)
def allows(policy: str | None, owner: str, account: str, user: str, action: str) -> bool:
    """Return whether a key's policy allows a caller an action.

    Args:
        policy: JSON as the keystore has it; None is the default policy, which allows the owner's account everything.
        owner: the account that the key belongs to.
        account: the caller's.
        user: the caller's name in it.
        action: without `kms:`.
    """
    return account == owner if policy is None else decide(_read(policy), Principal(account, user), action)


@lru_cache(_POLICIES)
def _read(policy: str) -> tuple[Statement, ...]:
    return statements(json.loads(policy))


def keeps_owner(policy: Mapping[str, Any], owner: str) -> bool:
    """Return whether under a well-formed policy somebody in the owner's account can still replace it."""
    found = statements(policy)
    named = {who.name for statement in found for who in statement.principals if who.account == owner}
    candidates = named - {EVERYBODY} | {ROOT, _NOBODY}
    return any(decide(found, Principal(owner, name), "SetKeyPolicy") for name in candidates)
