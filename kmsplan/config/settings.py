"""Sections that say where things are: engine, state, and the secrets of instances."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from kmsplan.config.cloud import cloud_options
from kmsplan.config.configuration import AccessKeyReference, EngineSettings, SecretReference, SharedState
from kmsplan.config.encryption import ENCRYPTION
from kmsplan.config.secret import absolute, reference
from kmsplan.config.stores import LOCAL, WORKSPACE, kind_of_store, shared_state
from kmsplan.resource.material import SOURCES

if TYPE_CHECKING:
    from pathlib import Path

    from kmsplan.config.diagnostic import Span
    from kmsplan.config.expand import Entry, Expanded
    from kmsplan.config.objects import Object, Objects
    from kmsplan.resource.address import Address

ENGINE_PATH: Final = "state/engine"
STATE_PATH: Final = "state"


def effective(expanded: Expanded) -> dict[str, Any]:
    """Return engine and state with defaults, as written: relative paths are the same on every machine."""
    engine = _written(expanded.one.get("engine")) or {"embedded": {}}
    if "embedded" in engine:
        engine = {"embedded": {"path": ENGINE_PATH, **(engine["embedded"] or {})}}
    state = {name: value for name, value in _written(expanded.one.get("state")).items() if name != ENCRYPTION}
    if kind_of_store(state) == LOCAL:
        state = {**state, LOCAL: {"path": STATE_PATH, **(state.get(LOCAL) or {})}}
    return {"engine": engine, "state": state}


def _written(entry: Entry | None) -> dict[str, Any]:
    return dict(entry.written) if entry is not None else {}


def engine_settings(expanded: Expanded, root: Path) -> EngineSettings:
    """Return which KMS the configuration is for."""
    engine = effective(expanded)["engine"]
    if "alibaba" in engine:
        return EngineSettings(provider="alibaba", options=cloud_options(engine["alibaba"], root))
    path, postgres = absolute(root, engine["embedded"]["path"]), engine["embedded"].get("postgres")
    found = EngineSettings(
        provider="embedded",
        path=path,
        postgres=reference(postgres, root, _span(expanded, "postgres")) if postgres else None,
    )
    written = engine["embedded"].get("seal")
    if written is None:
        return found
    ((kind, value),) = written.items()
    seal, options = _SEALS[kind](value, root, _span(expanded, "seal", kind))
    return replace(found, seal=seal, seal_kind=kind, options=options)


def _span(expanded: Expanded, *place: str) -> Span:
    return expanded.one["engine"].node.locate(("embedded", *place)).span


def _file_seal(value: str, root: Path, span: Span) -> tuple[SecretReference, dict[str, Any]]:
    return reference({"file": value}, root, span), {}


def _passphrase_seal(value: dict[str, str], root: Path, span: Span) -> tuple[SecretReference, dict[str, Any]]:
    return reference(value, root, span), {}


def _hsm_seal(value: dict[str, Any], root: Path, span: Span) -> tuple[SecretReference, dict[str, Any]]:
    """Return the PIN, and which token the key is in."""
    return reference(value["pin"], root, span), {"hsm": {name: value[name] for name in ("module", "token")}}


_Seal = Callable[[Any, "Path", "Span"], tuple[SecretReference, dict[str, Any]]]
_SEALS: Final[Mapping[str, _Seal]] = {"file": _file_seal, "passphrase": _passphrase_seal, "hsm": _hsm_seal}


def state_path(expanded: Expanded, root: Path) -> Path:
    """Return the folder of the state, or of what this machine keeps beside a shared one."""
    state = effective(expanded)["state"]
    return absolute(root, state[LOCAL]["path"] if kind_of_store(state) == LOCAL else WORKSPACE)


def shared(expanded: Expanded, root: Path) -> SharedState | None:
    """Return where a team keeps the state; None where it is in a folder."""
    entry = expanded.one.get("state")
    return shared_state(_written(entry), entry.node, root) if entry is not None else None


def materials(objects: Objects, root: Path) -> dict[Address, SecretReference]:
    """Return where each imported key's material is found."""
    return {
        found.address: reference(_source(found.attributes["material"]), root, found.place("material").span)
        for found in objects.found.values()
        if found.attributes.get("material")
    }


def _source(material: Mapping[str, Any]) -> dict[str, Any]:
    return {name: material[name] for name in SOURCES if name in material}


def proxies(objects: Objects, root: Path) -> dict[Address, AccessKeyReference]:
    """Return who calls each external instance's proxy."""
    found = [instance for instance in objects.of_kind("instance") if instance.attributes["proxy"] is not None]
    return {instance.address: _access_key(instance, root) for instance in found}


def _access_key(found: Object, root: Path) -> AccessKeyReference:
    written, place = found.entry.written["proxy"]["access_key"], found.place("proxy", "access_key", "secret")
    return AccessKeyReference(written["id"], reference(written["secret"], root, place.span))


def pins(objects: Objects, root: Path) -> dict[Address, SecretReference]:
    """Return where each hardware instance's PIN is found."""
    return {
        found.address: reference(found.entry.written["hsm"]["pin"], root, found.place("hsm", "pin").span)
        for found in objects.of_kind("instance")
        if found.attributes["hsm"] is not None
    }
