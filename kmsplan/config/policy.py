"""The form of a key policy (SetKeyPolicy): what the KMS would refuse, or take and then ignore."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

import orjson

from kmsplan.config.problems import shown
from kmsplan.kms.naming import POLICY_BYTES

Finding = tuple[tuple[str | int, ...], str]
"""Where in the policy, and what is wrong there."""

VERSION: Final = "1"
# The published character set has no space, but the policy that the KMS gives to keys without one has spaces in its Sid.
_SID: Final = re.compile(r"[A-Za-z0-9_/+=.@ -]{1,128}")
_ACTION: Final = re.compile(r"kms:[A-Za-z*]+")
_PRINCIPAL: Final = re.compile(r"acs:ram::[^:]+:.+")


def check_policy(policy: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield what is wrong with a policy."""
    yield from _names(policy, (), {"Version", "Statement"}, required={"Version", "Statement"})
    if "Version" in policy and policy["Version"] != VERSION:
        yield ("Version",), f'Version is the text "{VERSION}", in quotes; not {shown(policy["Version"])}.'
    if "Statement" in policy:
        yield from _statements(policy["Statement"])
    size = len(orjson.dumps(policy))
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
            for name in _PARTS.keys() & statement.keys():
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
    return None if value in ("Allow", "Deny") else f"Effect is Allow or Deny, not {shown(value)}."


def _principal(value: Any) -> str | None:
    if not isinstance(value, dict) or set(value) != {"RAM"}:
        return "Principal is a mapping with `RAM` alone, a list of ARNs."
    return _texts("Principal.RAM", value["RAM"], _PRINCIPAL, "acs:ram::ACCOUNT:user/NAME, :role/NAME, :root or :*")


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
