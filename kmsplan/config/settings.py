"""Sections that say where things are: engine, state, and the secrets of instances."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from kmsplan.config.configuration import EngineSettings, SecretReference
from kmsplan.config.secret import absolute, reference

if TYPE_CHECKING:
    from pathlib import Path

    from kmsplan.config.diagnostic import Span
    from kmsplan.config.expand import Entry, Expanded
    from kmsplan.config.objects import Objects
    from kmsplan.resource.address import Address

ENGINE_PATH: Final = "state/engine"
STATE_PATH: Final = "state"


def effective(expanded: Expanded) -> dict[str, Any]:
    """Return engine and state with defaults, as written: relative paths are the same on every machine."""
    engine = _written(expanded.one.get("engine")) or {"embedded": {}}
    if "embedded" in engine:
        engine = {"embedded": {"path": ENGINE_PATH, **(engine["embedded"] or {})}}
    state = _written(expanded.one.get("state")) or {"local": {}}
    return {"engine": engine, "state": {"local": {"path": STATE_PATH, **(state["local"] or {})}}}


def _written(entry: Entry | None) -> dict[str, Any]:
    return dict(entry.written) if entry is not None else {}


def engine_settings(expanded: Expanded, root: Path) -> EngineSettings:
    """Return which KMS the configuration is for."""
    engine = effective(expanded)["engine"]
    if "alibaba" in engine:
        return EngineSettings(provider="alibaba", options=engine["alibaba"])
    path = absolute(root, engine["embedded"]["path"])
    written = engine["embedded"].get("seal")
    if written is None:
        return EngineSettings(provider="embedded", path=path)
    ((kind, value),) = written.items()
    span = expanded.one["engine"].node.locate(("embedded", "seal", kind)).span
    seal, options = _SEALS[kind](value, root, span)
    return EngineSettings(provider="embedded", path=path, seal=seal, seal_kind=kind, options=options)


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
    """Return the folder of the recorded state."""
    return absolute(root, effective(expanded)["state"]["local"]["path"])


def pins(objects: Objects, root: Path) -> dict[Address, SecretReference]:
    """Return where each hardware instance's PIN is found."""
    return {
        found.address: reference(found.entry.written["hsm"]["pin"], root, found.place("hsm", "pin").span)
        for found in objects.of_kind("instance")
        if found.attributes["hsm"] is not None
    }
