"""Rules and packs for machines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from kmsplan.report.document import document

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kmsplan.config.packs import Pack
    from kmsplan.rule.definition import Definition

FORMAT_VERSION: Final = "1.0"


def rules_json(rules: Mapping[str, Definition], packs: Mapping[str, Pack]) -> str:
    """Return every pack and every rule, as one JSON document."""
    return document(
        FORMAT_VERSION,
        {"packs": [_pack(pack) for pack in packs.values()], "rules": [_rule(rule) for rule in rules.values()]},
    )


def _pack(pack: Pack) -> dict[str, Any]:
    rules = {
        id_: {"severity": picked.severity, "clauses": list(picked.clauses), "parameters": dict(picked.values)}
        for id_, picked in pack.rules.items()
    }
    return {"name": pack.name, "title": pack.title, "about": pack.about, "rules": rules}


def _rule(rule: Definition) -> dict[str, Any]:
    parameters = {
        name: {"default": facts.default, "stricter": facts.stricter.value, "doc": facts.doc}
        for name, facts in rule.parameters.items()
    }
    return {
        "id": rule.id,
        "title": rule.title,
        "judges": rule.judges.value,
        "when": rule.when,
        "must": rule.must,
        "severity": rule.severity,
        "remedy": rule.remedy,
        "parameters": parameters,
    }
