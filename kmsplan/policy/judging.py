"""Every rule over every object.

A rule answers only from the facts that it names. Thousands of keys share those, so that each rule is worked out once
for each combination that there is, and looked up for the other objects.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import orjson

from kmsplan.policy.report import Finding, Judged, PolicyReport, Rule, Severity
from kmsplan.policy.waiving import Waivers
from kmsplan.rule.expression import Truth, language
from kmsplan.rule.fact import PARAMETERS, Subject

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import date

    from kmsplan.config.configuration import Waiver
    from kmsplan.policy.thing import Thing
    from kmsplan.rule.definition import Chosen, Policy
    from kmsplan.rule.expression import Expression

_SHOWN: Final = 200
_ORDER: Final = {severity: place for place, severity in enumerate(Severity)}


def judge(policy: Policy, things: Iterable[Thing], waivers: Sequence[Waiver], today: date) -> PolicyReport:
    """Judge objects.

    Args:
        policy: the rules.
        things: the objects; each is judged by the rules about its subject.
        waivers: those of drift are left aside.
        today: UTC; a waiver that ended before it accepts nothing.

    Raises:
        ModuleNotFoundError: the extra `policy` is not installed.
    """
    every = [_Rule(chosen) for chosen in policy.rules]
    rules = {subject: [rule for rule in every if rule.subject is subject] for subject in Subject}
    known = Waivers(waivers)
    findings: list[Finding] = []
    waived: list[Finding] = []
    objects = 0
    for thing in things:
        objects += 1
        examined = _Examined(thing)
        for rule in rules[thing.subject]:
            broken = rule.judge(examined)
            if broken is not None:
                found = known.applied(broken)
                accepted = found.waiver is not None and found.waiver.expires >= today
                (waived if accepted else findings).append(found)
                rule.counts["waived" if accepted else "broken"] += 1
    return PolicyReport(
        findings=tuple(sorted(findings, key=_order)),
        waived=tuple(sorted(waived, key=_order)),
        unused=known.unused(),
        judged=tuple(rule.judged() for rule in every),
        objects=objects,
    )


def rule_of(chosen: Chosen) -> Rule:
    """Return a rule as reports know it."""
    definition = chosen.definition
    return Rule(
        id=definition.id,
        title=definition.title,
        severity=Severity(chosen.severity),
        remedy=definition.remedy,
        pack=", ".join(chosen.packs),
        clauses=chosen.clauses,
    )


def _order(finding: Finding) -> tuple[Any, ...]:
    return _ORDER[finding.rule.severity], finding.address, finding.identity, finding.rule.id


class _Examined:
    """One object while rules look at it."""

    __slots__ = ("_ready", "thing", "values")

    def __init__(self, thing: Thing) -> None:
        self.thing = thing
        self.values = {name: _hashable(value) for name, value in thing.facts.items()}
        """Its facts, as they can be compared with those of other objects."""
        self._ready: Any = None

    def facts(self) -> Any:
        """Return its facts as CEL takes them; made once, and only if a rule has to ask."""
        if self._ready is None:
            self._ready = language(self.thing.subject).facts(self.thing.facts)
        return self._ready


def _hashable(value: Any) -> Any:
    return orjson.dumps(value) if isinstance(value, list | dict) else value


@dataclass(frozen=True, slots=True, kw_only=True)
class _Verdict:
    """How a rule comes out for a combination of facts."""

    counted: str | None = None
    """held or skipped; None where it is broken, or concerns nobody."""
    unknown: str = ""
    """Skipped: the fact that is not known."""
    message: str | None = None
    """Broken: what is the case."""
    evidence: Mapping[str, Any] = field(default_factory=dict)


_UNCONCERNED: Final = _Verdict()
_HELD: Final = _Verdict(counted="held")


class _Rule:
    """One rule while it judges."""

    def __init__(self, chosen: Chosen) -> None:
        definition = chosen.definition
        self.rule = rule_of(chosen)
        self.subject = definition.judges
        self.counts: Counter[str] = Counter()
        self._values = {f"{PARAMETERS}.{name}": value for name, value in chosen.values.items()}
        compiled = language(self.subject).compile
        self._when = compiled(definition.when, chosen.values)
        self._must = compiled(definition.must, chosen.values)
        self._names = tuple(dict.fromkeys((*self._when.names, *self._must.names)))
        self._verdicts: dict[tuple[Any, ...], _Verdict] = {}
        self._unknown: set[str] = set()

    def judge(self, examined: _Examined) -> Finding | None:
        """Return what is wrong with an object, if anything, and count it."""
        key = tuple(map(examined.values.get, self._names))
        verdict = self._verdicts.get(key)
        if verdict is None:
            verdict = self._verdicts[key] = self._worked_out(examined)
        if verdict.counted is not None:
            self.counts[verdict.counted] += 1
            if verdict.unknown:
                self._unknown.add(verdict.unknown)
        if verdict.message is None:
            return None
        thing = examined.thing
        return Finding(
            rule=self.rule,
            address=thing.address,
            identity=thing.identity,
            message=verdict.message,
            evidence=verdict.evidence,
            span=thing.span,
        )

    def judged(self) -> Judged:
        """Return the counts."""
        counts = {name: self.counts[name] for name in ("held", "broken", "waived", "skipped")}
        return Judged(rule=self.rule, unknown=tuple(sorted(self._unknown)), **counts)

    def _worked_out(self, examined: _Examined) -> _Verdict:
        known, facts = examined.facts(), examined.thing.facts
        concerns = self._when.ask(known)
        if concerns.truth is Truth.FALSE:
            return _UNCONCERNED
        asked, answer = self._when, concerns
        if concerns.truth is Truth.TRUE:
            asked, answer = self._must, self._must.ask(known)
            if answer.truth is Truth.TRUE:
                return _HELD
        if answer.truth is Truth.UNKNOWN:
            return _Verdict(counted="skipped", unknown=answer.reason)
        said = ", ".join(f"{name} is {_shown(value)}" for name, value in self._said(asked, facts).items())
        if answer.truth is Truth.FAILED:
            said = f"it cannot be judged, which counts as broken: {answer.reason} ({said})"
        return _Verdict(message=said, evidence={**self._said(self._when, facts), **self._said(self._must, facts)})

    def _said(self, expression: Expression, facts: Mapping[str, Any]) -> dict[str, Any]:
        """Return the facts and parameters that an expression asks for, as far as they are known."""
        names = (*expression.names, *(f"{PARAMETERS}.{name}" for name in expression.parameters))
        found = {name: self._values.get(name, facts.get(name)) for name in names}
        return {name: _plain(value) for name, value in found.items() if value is not None}


def _plain(value: Any) -> Any:
    """Return a fact as JSON has it."""
    if isinstance(value, datetime):
        return value.isoformat()
    return list(value) if isinstance(value, tuple) else value


def _shown(value: Any) -> str:
    """Return a fact's value as CEL writes it; a long one is cut, the evidence has it whole."""
    text = orjson.dumps(value).decode()
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."
