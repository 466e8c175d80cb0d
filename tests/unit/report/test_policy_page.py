"""The tables of docs/policy.md equal those of the code. KMSPLAN_UPDATE=1 writes them anew."""

from __future__ import annotations

import os
from pathlib import Path

from kmsplan.config.packs import catalogue, packs
from kmsplan.report.policy_page import HEADING, policy_tables
from kmsplan.rule.fact import FACTS, NOW

PAGE = Path(__file__).parents[3] / "docs" / "policy.md"


def test_the_page_has_the_tables_of_the_code() -> None:
    if os.environ.get("KMSPLAN_UPDATE"):
        PAGE.write_text(PAGE.read_text().partition(HEADING)[0] + policy_tables())
    _, heading, tables = PAGE.read_text().partition(HEADING)
    assert heading + tables == policy_tables()


def test_the_tables_have_every_rule_pack_parameter_clause_and_fact() -> None:
    text = policy_tables()
    clauses = [clause for pack in packs().values() for picked in pack.rules.values() for clause in picked.clauses]
    parameters = [f"`{name}`: " for rule in catalogue().values() for name in rule.parameters]
    facts = [f"| `{name}` |" for facts in FACTS.values() for name, fact in facts.items() if fact is not NOW]
    wanted = [*(f"| `{name}` |" for name in packs()), *(f"| {rule} |" for rule in catalogue())]
    assert [one for one in (*wanted, *clauses, *parameters, *facts) if one not in text] == []
