"""Files with rules of the user's own: read strictly, and every expression checked, before anything is judged."""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from kmsplan.config.document import HOLE
from kmsplan.config.folder import read
from kmsplan.config.place import Place
from kmsplan.config.problems import listed, near
from kmsplan.kms.wording import quoted, shown
from kmsplan.rule.definition import SEVERITIES, Definition
from kmsplan.rule.expression import ExpressionError, language
from kmsplan.rule.fact import FACTS, Subject

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from kmsplan.config.document import Document
    from kmsplan.config.problems import Problems
    from kmsplan.rule.expression import Mistake

_CODE: Final = "K430"
_FORM: Final = "rules: {NAME: {title: TEXT, must: CEL, ...}, ...}"
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")
_OURS: Final = re.compile(r"R[0-9]+", re.IGNORECASE)
_NEEDED: Final = ("title", "must")


def _text(value: Any) -> str | None:
    return None if isinstance(value, str) and value.strip() else "some text"


def _texts(value: Any) -> str | None:
    fits = isinstance(value, list) and all(isinstance(item, str) and item for item in value)
    return None if fits else "a list of texts"


def _one_of(*words: str) -> Callable[[Any], str | None]:
    return lambda value: None if value in words else f"one of {listed(words)}"


_ATTRIBUTES: Final[Mapping[str, Callable[[Any], str | None]]] = MappingProxyType(
    {
        "title": _text,
        "judges": _one_of(*Subject),
        "when": _text,
        "must": _text,
        "severity": _one_of(*SEVERITIES),
        "remedy": _text,
        "clauses": _texts,
    }
)
"""By attribute of a rule: what says how a value does not fit."""


def read_rules(path: Path, filename: str, problems: Problems) -> dict[str, Definition]:
    """Return the rules of a file by name; what is wrong with any of them is a problem, and it is left out.

    Raises:
        ModuleNotFoundError: the extra `policy` is not installed.
    """
    document = read(path, filename, problems)
    return {} if document is None else _Reading(document, problems).rules()


class _Reading:
    """One file."""

    def __init__(self, document: Document, problems: Problems) -> None:
        self._document = document
        self._problems = problems

    def rules(self) -> dict[str, Definition]:
        whole: dict[Any, Any] = self._document.value
        rules = whole.get("rules")
        others = [name for name in whole if name not in ("rules", HOLE)]
        if others or not isinstance(rules, dict) or not rules:
            self._wrong(f"A file of rules holds this and nothing else: {_FORM}.", *others[:1], top=True)
            return {}
        found = {name: self._rule(name, said) for name, said in rules.items() if name is not HOLE and said is not HOLE}
        return {name: rule for name, rule in found.items() if rule is not None}

    def _rule(self, name: str, said: Any) -> Definition | None:
        if not _NAME.fullmatch(name) or _OURS.fullmatch(name):
            form = "A rule's name begins with a letter and has letters, digits and . _ -; R and a number is kmsplan's."
            self._wrong(f"{quoted(name)} cannot name a rule. {form}", name)
            return None
        if not isinstance(said, dict):
            self._wrong(f"{name} is {shown(said)}. A rule is a mapping: {_FORM}.", name)
            return None
        if not self._shaped(name, said):
            return None
        made = Definition(
            id=name,
            title=said["title"],
            judges=Subject(said.get("judges", Subject.KEY)),
            must=said["must"],
            when=said.get("when", "true"),
            severity=said.get("severity", SEVERITIES[0]),
            remedy=said.get("remedy", ""),
            clauses=tuple(said.get("clauses", ())),
        )
        sound = [self._checked(made, part, text) for part, text in (("when", made.when), ("must", made.must))]
        return made if all(sound) else None

    def _shaped(self, name: str, said: dict[Any, Any]) -> bool:
        whole = HOLE not in said and HOLE not in said.values()
        for attribute, value in said.items():
            if attribute is HOLE or value is HOLE:
                continue
            fits = _ATTRIBUTES.get(attribute)
            problem = fits(value) if fits else None
            if fits is None:
                known = f"{near(attribute, _ATTRIBUTES)} Known: {listed(_ATTRIBUTES)}."
                self._wrong(f"{quoted(attribute)} is not known here.{known}", name, attribute, key=True)
            elif problem:
                self._wrong(f"`{attribute}` is {shown(value)}, but takes {problem}.", name, attribute)
            whole = whole and fits is not None and not problem
        missing = [attribute for attribute in _NEEDED if attribute not in said]
        if missing and whole:
            self._wrong(f"`{missing[0]}` is missing. A rule has {' and '.join(_NEEDED)}.", name, key=True)
        return whole and not missing

    def _checked(self, made: Definition, part: str, text: str) -> bool:
        """Tell of everything that is wrong with an expression, at its own line and column where the file shows it."""
        try:
            language(made.judges).compile(text)
        except ExpressionError as error:
            place = self._place(made.id, part)
            for mistake in error.mistakes:
                hint = _hint(mistake, made.judges)
                self._problems.add(
                    _CODE, f"{made.id}: `{part}` is not usable: {mistake.message}.{hint}", _inside(place, text, mistake)
                )
            return False
        return True

    def _place(self, *path: str, key: bool = False) -> Place:
        start = self._document.place_of_start()
        return self._document.locate(self._document.value, ("rules", *path), start, key=key)

    def _wrong(self, detail: str, *path: str, top: bool = False, key: bool = False) -> None:
        start = self._document.place_of_start()
        if top:
            place = self._document.locate(self._document.value, path, start, key=True) if path else start
        else:
            place = self._place(*path, key=key or len(path) == 1)
        self._problems.add(_CODE, detail, place)


_UNDECLARED: Final = re.compile(r"undeclared reference to '([^']+)'")


def _hint(mistake: Mistake, judges: Subject) -> str:
    """Return the nearest fact to one that there is not."""
    found = _UNDECLARED.match(mistake.message)
    if found is None:
        return ""
    prefix = found[1].partition(".")[0]
    known = [name for name in FACTS[judges] if name.startswith(prefix)] or list(FACTS[judges])
    return near(found[1], known) or f" A rule that judges {judges.value} can ask what docs/policy.md lists for it."


def _inside(place: Place, text: str, mistake: Mistake) -> Place:
    """Return the mistake's own place where the file shows that line of the expression as it is, else the value's."""
    lines = text.split("\n")
    line = lines[mistake.line - 1] if mistake.line <= len(lines) else ""
    at = place.source.text.find(line, place.start, place.end + 1) if line.strip() else -1
    if at < 0:
        return place
    start = min(at + mistake.column - 1, max(place.end - 1, place.start))
    return Place(place.source, start, start + 1)
