"""The form of a key policy (SetKeyPolicy, CreateKey): what the KMS would refuse, or take and then ignore."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from fnmatch import translate
from types import MappingProxyType
from typing import Any, Final

import orjson

from kmsplan.kms.naming import POLICY_BYTES
from kmsplan.kms.wording import shown

Finding = tuple[tuple[str | int, ...], str]
"""Where in the policy, and what is wrong there."""

VERSION: Final = "1"
ALLOW: Final = "Allow"
DENY: Final = "Deny"
DEFAULT_SID: Final = "kms default key policy"
PRINCIPAL: Final = re.compile(r"acs:ram::([0-9]{1,20}):(\*|root|(?:user|role)/[^\s:*?/]{1,128})")
"""Account, and the name within it: everybody, the account itself, one user or one role of it."""
# The published character set has no space, but the policy that the KMS gives to keys without one has spaces in its Sid.
_SID: Final = re.compile(r"[A-Za-z0-9_/+=.@ -]{1,128}")
_ACTION: Final = re.compile(r"kms:[A-Za-z*]+")
_NO_CONDITIONS: Final = (
    "The embedded engine evaluates no conditions, and a policy that it took without them would say more than it does. "
    "Leave the condition out, or narrow Principal and Action instead."
)


def check_policy(policy: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield what is wrong with a policy."""
    yield from _names(policy, (), {"Version", "Statement"}, required={"Version", "Statement"})
    if "Version" in policy and policy["Version"] != VERSION:
        yield ("Version",), f'Version is the text "{VERSION}", in quotes; not {shown(policy["Version"])}.'
    if "Statement" in policy:
        yield from _statements(policy["Statement"])
    yield from _size(policy)


def policy_problem(policy: Any) -> str | None:
    """Return the first thing that is wrong with a policy, and where in it, as the end of a sentence; or None."""
    if not isinstance(policy, Mapping):
        return f"a policy is a JSON object, not {shown(policy)}"
    path, detail = next(check_policy(policy), ((), ""))
    return (f"{_place(path)}: {detail}" if path else detail).removesuffix(".") or None


def conditions(policy: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield the conditions of a well-formed policy, for a KMS that evaluates none and therefore takes none."""
    for index, statement in enumerate(policy["Statement"]):
        if statement.get("Condition"):
            yield ("Statement", index, "Condition"), _NO_CONDITIONS


def condition_problem(policy: Mapping[str, Any]) -> str | None:
    """Return where a well-formed policy has a condition, and why it is not taken, as the end of a sentence; or None."""
    return next((f"{_place(path)}: {detail}".removesuffix(".") for path, detail in conditions(policy)), None)


def meant(actions: Iterable[str]) -> re.Pattern[str]:
    """Return what an action, `kms:` included, matches where one of a statement's actions means it.

    Names compare without regard to case. The library's patterns do not go back to a star that has found its text:
    twenty stars in a row would take years otherwise.
    """
    return re.compile("|".join(map(translate, actions)), re.IGNORECASE)


def default_policy(account: str) -> dict[str, Any]:
    """Return the policy of a key that was given none: its account may do everything with it."""
    statement = {
        "Sid": DEFAULT_SID,
        "Effect": ALLOW,
        "Principal": {"RAM": [f"acs:ram::{account}:*"]},
        "Action": ["kms:*"],
        "Resource": ["*"],
    }
    return {"Version": VERSION, "Statement": [statement]}


def _place(path: tuple[str | int, ...]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")


def _size(policy: Mapping[str, Any]) -> Iterator[Finding]:
    try:
        size = len(orjson.dumps(policy))
    except TypeError:
        yield (), "The policy holds something that is no JSON."
        return
    if size > POLICY_BYTES:
        yield (), f"The policy has {size} bytes; the KMS takes {POLICY_BYTES}."


def _statements(statements: Any) -> Iterator[Finding]:
    if not isinstance(statements, list) or not statements:
        yield ("Statement",), f"Statement is a list of one or more statements, not {_empty_or(statements)}."
        return
    for index, statement in enumerate(statements):
        path = ("Statement", index)
        if isinstance(statement, dict):
            yield from _names(statement, path, set(_PARTS), required={"Effect", "Principal", "Action", "Resource"})
            for name in (name for name in _PARTS if name in statement):
                fault = _PARTS[name](statement[name])
                if fault:
                    yield (*path, name), fault
        else:
            yield path, f"A statement is a mapping, not {shown(statement)}."


def _names(
    value: Mapping[str, Any], path: tuple[str | int, ...], known: set[str], required: set[str]
) -> Iterator[Finding]:
    what = "A statement" if path else "A policy"
    for name in sorted(value.keys() - known):
        yield (*path, name), f"{what} has no {name!r}; it has {', '.join(sorted(known))}."
    for name in sorted(required - value.keys()):
        yield path, f"{what} needs `{name}`."


def _empty_or(value: Any) -> str:
    return "an empty list" if value == [] else shown(value)


def _sid(value: Any) -> str | None:
    fits = isinstance(value, str) and _SID.fullmatch(value)
    return None if fits else "Sid is text of up to 128 letters, digits and _ / + = . @ - or space."


def _effect(value: Any) -> str | None:
    return None if value in (ALLOW, DENY) else f"Effect is Allow or Deny, not {shown(value)}."


def _principal(value: Any) -> str | None:
    if not isinstance(value, dict) or set(value) != {"RAM"}:
        return "Principal is a mapping with `RAM` alone, a list of ARNs."
    return _texts("Principal.RAM", value["RAM"], PRINCIPAL, "acs:ram::ACCOUNT:user/NAME, :role/NAME, :root or :*")


def _action(value: Any) -> str | None:
    return _texts("Action", value, _ACTION, "kms:NAME, such as kms:Decrypt or kms:*")


def _texts(name: str, value: Any, form: re.Pattern[str], example: str) -> str | None:
    if not isinstance(value, list) or not value:
        return f"{name} is a list of one or more texts, not {_empty_or(value)}."
    wrong = next((item for item in value if not isinstance(item, str) or not form.fullmatch(item)), None)
    return None if wrong is None else f"{name} lists {example}; not {shown(wrong)}."


def _resource(value: Any) -> str | None:
    return None if value == ["*"] else 'Resource is ["*"]: a key policy is about its own key.'


def _condition(value: Any) -> str | None:
    return None if isinstance(value, dict) else f"Condition is a mapping, not {shown(value)}."


_PARTS: Final[Mapping[str, Callable[[Any], str | None]]] = MappingProxyType(
    {
        "Sid": _sid,
        "Effect": _effect,
        "Principal": _principal,
        "Action": _action,
        "Resource": _resource,
        "Condition": _condition,
    }
)
