"""docs/policy.md, from its tables on: every pack, rule, parameter, clause and fact."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kmsplan.config.packs import catalogue, packs
from kmsplan.report.markdown import table
from kmsplan.rule.fact import FACTS, NOW

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from kmsplan.config.packs import Pack, Picked
    from kmsplan.rule.definition import Definition, Value
    from kmsplan.rule.fact import Fact, Subject

HEADING: Final = "## Rules and packs\n"
_CLAUSES: Final = "Clauses, pack by pack; where a pack sets a parameter or a severity, it is said here:"
_FACTS: Final = """\
## Facts

What an expression can ask, by what its rule judges. Of a fact with "if known" there are objects of which nobody knows
it: before a key is made, offline, or where the KMS does not tell. `now` can be asked everywhere.
"""


def policy_tables() -> str:
    """Return the page from HEADING to its end."""
    parts = [
        HEADING,
        table(("pack", "rules", "what for"), map(_pack, packs().values())),
        table(("rule", "what must hold", "judges", "severity", "parameters and their defaults"), map(_rule, _rules())),
        f"{_CLAUSES}\n",
        table(("pack", "rule", "sets", "takes after"), _clauses()),
        _FACTS,
        *(_facts(subject, facts) for subject, facts in FACTS.items()),
    ]
    return "\n".join(parts)


def _rules() -> Iterator[Definition]:
    yield from catalogue().values()


def _pack(pack: Pack) -> tuple[str, str, str]:
    return f"`{pack.name}`", ", ".join(pack.rules), f"{pack.title}. {' '.join(pack.about.split())}"


def _rule(rule: Definition) -> tuple[str, str, str, str, str]:
    set_ = _settings({name: parameter.default for name, parameter in rule.parameters.items()})
    return rule.id, rule.title, rule.judges.value, rule.severity, set_


def _clauses() -> Iterator[tuple[str, str, str, str]]:
    for pack in packs().values():
        for id_, picked in pack.rules.items():
            said = _said(picked, catalogue()[id_])
            if said or picked.clauses:
                yield f"`{pack.name}`", id_, said, "; ".join(picked.clauses)


def _said(picked: Picked, rule: Definition) -> str:
    severity = f"severity `{picked.severity}`" if picked.severity != rule.severity else ""
    return "; ".join(filter(None, (_settings(picked.values), severity)))


def _settings(values: Mapping[str, Value]) -> str:
    return "; ".join(f"`{name}`: {_value(value)}" for name, value in values.items())


def _value(value: Value) -> str:
    return ", ".join(f"`{item}`" for item in value) if isinstance(value, tuple) else f"`{value}`"


def _facts(subject: Subject, facts: Mapping[str, Fact]) -> str:
    rows = (
        (f"`{fact.name}`", f"`{fact.type}`{', if known' if fact.sometimes else ''}", fact.doc)
        for fact in facts.values()
        if fact is not NOW
    )
    return f"### Of each {subject}\n\n{table(('fact', 'type', 'what it is'), rows)}"
