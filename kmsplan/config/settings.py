"""Sections that say where things are: engine, state, and the secrets of instances."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from kmsplan.config.configuration import EngineSettings, SecretReference
from kmsplan.config.diagnostic import Span
from kmsplan.config.secret import reference

if TYPE_CHECKING:
    from pathlib import Path

    from kmsplan.config.expand import Entry, Expanded
    from kmsplan.config.objects import Objects
    from kmsplan.resource.address import Address

ENGINE_PATH: Final = "state/engine"
STATE_PATH: Final = "state"


def effective(expanded: Expanded) -> dict[str, Any]:
    """Return engine and state with their defaults, as written: paths stay relative, and so the same on every machine."""
    engine = _written(expanded.one.get("engine")) or {"embedded": {}}
    if "embedded" in engine:
        engine = {"embedded": {"path": ENGINE_PATH, **(engine["embedded"] or {})}}
    state = _written(expanded.one.get("state")) or {"local": {}}
    return {"engine": engine, "state": {"local": {"path": STATE_PATH, **(state["local"] or {})}}}


def _written(entry: Entry | None) -> dict[str, Any]:
    return dict(entry.written) if entry is not None else {}


def engine_settings(expanded: Expanded, root: Path) -> EngineSettings:
    """Return which KMS the configuration is for; relative paths are relative to `root`."""
    engine = effective(expanded)["engine"]
    if "alibaba" in engine:
        return EngineSettings(provider="alibaba", options=engine["alibaba"])
    embedded = engine["embedded"]
    kind, seal, options = _seal(embedded.get("seal"), expanded, root)
    return EngineSettings(
        provider="embedded", path=absolute(root, embedded["path"]), seal=seal, seal_kind=kind, options=options
    )


def _seal(
    seal: dict[str, Any] | None, expanded: Expanded, root: Path
) -> tuple[str, SecretReference | None, dict[str, Any]]:
    """Return the kind of seal, the secret that opens it, and for an HSM which token."""
    if seal is None:
        return "default", None, {}
    ((kind, value),) = seal.items()
    span = expanded.one["engine"].node.locate(("embedded", "seal", kind)).span
    if kind == "file":
        return kind, SecretReference("file", str(absolute(root, value)), span), {}
    if kind == "passphrase":
        return kind, _reference(value, root, span), {}
    token = {name: value[name] for name in ("module", "token")}
    return kind, _reference(value["pin"], root, span), {"hsm": token}


def absolute(root: Path, path: str) -> Path:
    """Return a path of the configuration, relative to its folder, as an absolute one."""
