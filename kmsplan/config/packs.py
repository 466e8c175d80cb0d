"""kmsplan's own rules and the packs of them, which are files like any other rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final

from kmsplan import rule
from kmsplan.config.document import parse
from kmsplan.config.place import Source
from kmsplan.config.problems import Problems
from kmsplan.rule.definition import Definition, Parameter, Stricter, Value
from kmsplan.rule.fact import Subject

_FOLDER: Final = Path(str(rule.__file__)).parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Picked:
    """What a pack says of one rule that it takes."""

    severity: str
    clauses: tuple[str, ...]
    values: Mapping[str, Value]
    """By parameter: what the pack sets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pack:
    """Some of kmsplan's rules, for one purpose."""

    name: str
    title: str
    about: str
    rules: Mapping[str, Picked] = field(default_factory=dict)


@cache
def catalogue() -> Mapping[str, Definition]:
    """Return every rule that kmsplan knows, by id."""
    return {id_: _definition(id_, said) for id_, said in _read(_FOLDER / "rules.yaml")["rules"].items()}


@cache
def packs() -> Mapping[str, Pack]:
    """Return every pack by name."""
    order = ("baseline", "strict")
    names = sorted(path.stem for path in (_FOLDER / "pack").glob("*.yaml"))
    return {name: _pack(name) for name in (*order, *(name for name in names if name not in order))}


def _read(path: Path) -> Mapping[str, Any]:
    problems = Problems()
    document = parse(Source(path.name, path.read_text(encoding="utf-8")), problems)
    if document is None or problems:
        raise AssertionError(f"{path.name} is malformed: this is a bug in kmsplan")
    value: Mapping[str, Any] = document.value
    return value


def _definition(id_: str, said: Mapping[str, Any]) -> Definition:
    parameters = {
        name: Parameter(default=_value(facts["default"]), stricter=Stricter(facts["stricter"]), doc=facts["doc"])
        for name, facts in said.get("parameters", {}).items()
    }
    return Definition(
        id=id_,
        title=said["title"],
        judges=Subject(said.get("judges", Subject.KEY)),
        must=said["must"],
        when=said.get("when", "true"),
        severity=said.get("severity", "error"),
        remedy=said["remedy"],
        parameters=parameters,
    )


def _pack(name: str) -> Pack:
    said = _read(_FOLDER / "pack" / f"{name}.yaml")
    rules = {
        id_: Picked(
            severity=(facts or {}).get("severity", catalogue()[id_].severity),
            clauses=tuple((facts or {}).get("clauses", ())),
            values={name: _value(value) for name, value in (facts or {}).get("parameters", {}).items()},
        )
        for id_, facts in said["rules"].items()
    }
    return Pack(name=name, title=said["title"], about=said["about"].strip(), rules=rules)


def _value(written: Any) -> Value:
    return tuple(written) if isinstance(written, list) else written
