"""`policy:`: which rules a plan must not break, from kmsplan's packs and from files of the user's own."""

from __future__ import annotations

import glob
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from kmsplan.config.fixed import has_reference
from kmsplan.config.problems import listed, near
from kmsplan.kms.wording import quoted, shown
from kmsplan.rule.definition import SEVERITIES, Chosen, Policy, stricter

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from kmsplan.config.expand import Entry, Expanded
    from kmsplan.config.packs import Pack
    from kmsplan.config.problems import Problems
    from kmsplan.rule.definition import Definition, Value

_CODE: Final = "K429"
_WHY: Final = "Which rules hold is not for whoever sets variables to say."
_TEXT: Final = {"type": "string", "minLength": 1}

POLICY_SCHEMA: Final = {
    "type": "object",
    "minProperties": 1,
    "additionalProperties": False,
    "properties": {
        "packs": {
            "type": "array",
            "description": "Packs of kmsplan's own rules: a name, or `{pack: NAME, PARAMETER: VALUE}`.",
            "items": {
                "type": ["string", "object"],
                "minLength": 1,
                "required": ["pack"],
                "properties": {"pack": {**_TEXT, "description": "The pack's name."}},
                "additionalProperties": {"type": ["integer", "string", "array"], "items": _TEXT},
            },
        },
        "rules": {
            "type": "array",
            "description": "Files with rules of your own, as globs from the configuration folder: policy/*.yaml.",
            "items": _TEXT,
            "uniqueItems": True,
        },
        "severity": {
            "type": "object",
            "description": "By rule: how much it matters when it is broken. Only an error refuses a plan.",
            "additionalProperties": {"enum": list(SEVERITIES)},
        },
        "disabled": {
            "type": "array",
            "description": "Rules that do not apply.",
            "items": _TEXT,
            "uniqueItems": True,
        },
    },
}


def read_policy(expanded: Expanded, problems: Problems, root: Path) -> Policy | None:
    """Return the rules that count; None where none were asked for.

    Raises:
        ModuleNotFoundError: there are rules of the user's own, and the extra `policy` is not installed.
    """
    entry = expanded.one.get("policy")
    if entry is None or not isinstance(entry.written, dict) or has_reference(entry.node, problems, _WHY):
        return None
    return _Reading(entry, problems, root).policy()


def policy_of(names: Iterable[str]) -> Policy:
    """Return the rules of some packs, as they are.

    Raises:
        KeyError: there is no such pack.
    """
    from kmsplan.config.packs import packs  # noqa: PLC0415 - as below

    chosen: dict[str, Chosen] = {}
    for name in names:
        for rule in _picked(packs()[name], {}):
            known = chosen.get(rule.definition.id)
            chosen[rule.definition.id] = _joined(known, rule) if known else rule
    return Policy(tuple(chosen.values()))


class _Reading:
    """One `policy:` section."""

    def __init__(self, entry: Entry, problems: Problems, root: Path) -> None:
        self._entry = entry
        self._problems = problems
        self._root = root
        self._chosen: dict[str, Chosen] = {}
        self._files: set[Path] = set()
        self._whole = not {"packs", "rules"} & entry.bad
        """Whether all rules are known that were asked for."""

    def policy(self) -> Policy:
        written: dict[str, Any] = self._entry.written
        for index, said in enumerate(written.get("packs", ())):
            self._pack(index, said)
        for index, pattern in enumerate(written.get("rules", ())):
            self._read(index, pattern)
        self._known("disabled", list(enumerate(written.get("disabled", ()))))
        self._known("severity", [(name, name) for name in written.get("severity", {})])
        severities, disabled = written.get("severity", {}), set(written.get("disabled", ()))
        kept = (rule for name, rule in self._chosen.items() if name not in disabled)
        return Policy(tuple(replace(rule, severity=severities.get(rule.definition.id, rule.severity)) for rule in kept))

    def _pack(self, index: int, said: Any) -> None:
        from kmsplan.config.packs import packs  # noqa: PLC0415 - a few milliseconds, and only for those who want one

        name, settings = (said, {}) if isinstance(said, str) else (said["pack"], said)
        pack = packs().get(name)
        if pack is None:
            place = ("packs", index) if isinstance(said, str) else ("packs", index, "pack")
            self._wrong(f"There is no pack {quoted(name)}.{near(name, packs())} Packs: {listed(packs())}.", *place)
            self._whole = False
            return
        values = {key: value for key, value in settings.items() if key != "pack"}
        fitting = {key: value for key, value in values.items() if self._fits(pack, index, key, value)}
        for rule in _picked(pack, fitting):
            known = self._chosen.get(rule.definition.id)
            self._chosen[rule.definition.id] = _joined(known, rule) if known else rule

    def _fits(self, pack: Pack, index: int, name: str, value: Any) -> bool:
        """Want a parameter that a rule of the pack has, and a value of its type."""
        from kmsplan.config.packs import catalogue  # noqa: PLC0415 - as above

        known = {key: facts for id_ in pack.rules for key, facts in catalogue()[id_].parameters.items()}
        if name not in known:
            offered = f"It has {listed(known)}." if known else "It has none."
            detail = f"The pack {pack.name} has no parameter {quoted(name)}.{near(name, known)} {offered}"
            self._wrong(detail, "packs", index, name, key=True)
            return False
        wanted = _TYPES[type(known[name].default)]
        if type(value) is not wanted or (isinstance(value, int) and value < 0):
            detail = f"`{name}` is {shown(value)}, but takes {_NAMES[wanted]}. {known[name].doc}"
            self._wrong(detail, "packs", index, name)
            return False
        return True

    def _read(self, index: int, pattern: str) -> None:
        from kmsplan.config.rulefile import read_rules  # noqa: PLC0415 - as above

        root = Path(glob.escape(str(self._root)))
        paths = sorted(Path(found) for found in glob.glob(str(root / pattern)) if Path(found).is_file())  # noqa: PTH207 - absolute patterns, too
        if not paths:
            detail = f"No file is called {quoted(pattern)}, and rules that are not there hold back nothing. "
            self._wrong(f"{detail}Write a path or glob from the configuration folder.", "rules", index)
            self._whole = False
        for path in paths:
            if path in self._files:
                continue
            self._files.add(path)
            name = path.relative_to(self._root).as_posix() if path.is_relative_to(self._root) else str(path)
            for id_, definition in read_rules(path, name, self._problems).items():
                if id_ in self._chosen:
                    detail = f"{name} has a rule {id_}, and so has {self._chosen[id_].packs[0]}. Rename one of them."
                    self._wrong(detail, "rules", index)
                self._chosen[id_] = Chosen(
                    definition=definition, severity=definition.severity, packs=(name,), clauses=definition.clauses
                )

    def _known(self, attribute: str, names: list[tuple[int | str, str]]) -> None:
        """Want rules that are there: a mistyped name would change nothing and look as if it did."""
        for step, name in names:
            if name not in self._chosen and self._whole:
                detail = f"No pack or file that is named here has a rule {quoted(name)}.{near(name, self._chosen)}"
                self._wrong(detail, attribute, step, key=attribute == "severity")

    def _wrong(self, detail: str, *path: str | int, key: bool = False) -> None:
        self._problems.add(_CODE, detail, self._entry.node.locate(path, key=key))


_TYPES: Final[Mapping[type, type]] = {int: int, str: str, tuple: list}
_NAMES: Final[Mapping[type, str]] = {int: "a whole number", str: "text", list: "a list of texts"}


def _picked(pack: Pack, settings: Mapping[str, Any]) -> Iterator[Chosen]:
    """Yield the pack's rules with the parameters that it sets, or the user."""
    from kmsplan.config.packs import catalogue  # noqa: PLC0415 - as above

    for id_, picked in pack.rules.items():
        definition = catalogue()[id_]
        yield Chosen(
            definition=definition,
            severity=picked.severity,
            packs=(pack.name,),
            clauses=picked.clauses,
            values={name: _value(name, definition, picked.values, settings) for name in definition.parameters},
        )


def _value(name: str, definition: Definition, set_: Mapping[str, Value], settings: Mapping[str, Any]) -> Value:
    said = settings.get(name, set_.get(name, definition.parameters[name].default))
    return tuple(said) if isinstance(said, list) else said


def _joined(first: Chosen, second: Chosen) -> Chosen:
    """Return a rule that two packs have, as strict as the stricter of them."""
    parameters = first.definition.parameters
    return replace(
        first,
        severity=min(first.severity, second.severity, key=SEVERITIES.index),
        packs=(*first.packs, *second.packs),
        clauses=tuple(dict.fromkeys((*first.clauses, *second.clauses))),
        values={name: stricter(facts, first.values[name], second.values[name]) for name, facts in parameters.items()},
    )
