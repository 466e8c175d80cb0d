"""One object as its user would write it: the attribute tables' canonical forms turned back into YAML values."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from kmsplan.kms.naming import format_duration
from kmsplan.resource.attribute import Mutability
from kmsplan.resource.kinds import KINDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kmsplan.config.configuration import AccessKeyReference, SecretReference
    from kmsplan.resource.attribute import Attribute
    from kmsplan.resource.value import Present

ACCESS_KEY_ID: Final = "FILLINACCESSKEYID"
"""Stands where nobody tells the id of an access key: in its form, so that the file can be read."""
_ALWAYS: Final = frozenset({"type", "instance", "spec", "usage", "deletion_protection"})
"""Written even where they are the default: a reader of a key wants to see them."""
_FORMS: Final[Mapping[str, Callable[[Any], Any]]] = MappingProxyType(
    {
        "instance": lambda address: address.removeprefix("instance."),
        "rotation": format_duration,
    }
)
_VARIABLE: Final = re.compile(r"[^A-Z0-9]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Secrets:
    """Where secrets are found that no KMS tells, as far as a configuration has said so. No secret is in it."""

    pins: Mapping[tuple[str, str], SecretReference] = field(default_factory=dict)
    """By module and token."""
    access_keys: Mapping[tuple[str, str], AccessKeyReference] = field(default_factory=dict)
    """By URL and path of a proxy."""


def attributes(present: Present, localised: Mapping[str, Any], aliases: Sequence[str] = ()) -> dict[str, Any]:
    """Return what stands under an object's name, in the order of its table.

    Args:
        present: the object.
        localised: its attributes, with addresses in place of identities.
        aliases: names of the aliases that point at it.
    """
    kind = KINDS[present.kind]
    written = {
        attribute.name: escaped(_FORMS.get(attribute.name, _same)(localised[attribute.name]))
        for attribute in kind.attributes
        if _says(attribute, localised)
    }
    return {**written, "aliases": list(aliases)} if aliases else written


def _says(attribute: Attribute, localised: Mapping[str, Any]) -> bool:
    """Return whether an attribute is written: it is the KMS's, it was told, and it is not what is the case anyway."""
    if not attribute.written or attribute.mutability not in (Mutability.IN_PLACE, Mutability.REPLACES):
        return False
    value = localised.get(attribute.name)
    return value is not None and (attribute.name in _ALWAYS or value != attribute.default)


def _same(value: Any) -> Any:
    return value


def escaped(value: Any) -> Any:
    """Return a value whose texts mean themselves where `${` begins a reference."""
    if isinstance(value, str):
        return value.replace("${", "$${")
    if isinstance(value, Mapping):
        return {name: escaped(item) for name, item in value.items()}
    return [escaped(item) for item in value] if isinstance(value, list | tuple) else value


def with_secrets(name: str, written: Mapping[str, Any], secrets: Secrets) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return an instance with references to what it takes to use it, and what is left to fill in."""
    completed, todo = dict(written), []
    if hsm := completed.get("hsm"):
        pin = secrets.pins.get((hsm["module"], hsm["token"]))
        if pin is None:
            todo.append(f"instances.{name}.hsm.pin: where the token's PIN is found")
        completed["hsm"] = {**hsm, "pin": secret(pin) if pin else {"env": f"{variable(name)}_PIN"}}
    if proxy := completed.get("proxy"):
        key = secrets.access_keys.get((proxy["url"], proxy["path"]))
        if key is None:
            todo.append(f"instances.{name}.proxy.access_key: the id of the access key, and where its secret is found")
        access_key = (
            {"id": key.access_key_id, "secret": secret(key.secret)}
            if key
            else {"id": ACCESS_KEY_ID, "secret": {"env": f"{variable(name)}_SECRET"}}
        )
        completed["proxy"] = {**proxy, "access_key": access_key}
    return completed, tuple(todo)


def secret(reference: SecretReference) -> dict[str, Any]:
    """Return where a secret is found, as it is written."""
    if reference.source == "exec":
        return {"exec": escaped(list(reference.command))}
    return {reference.source: escaped(reference.name)}


def variable(name: str) -> str:
    """Return the environment variable that is proposed for an instance's secret."""
    return f"KMSPLAN_{_VARIABLE.sub('_', name.upper())}"
