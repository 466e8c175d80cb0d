from __future__ import annotations

from kmsplan.rule.fact import FACTS


def test_a_fact_is_named_for_what_it_is_of() -> None:
    for subject, facts in FACTS.items():
        assert {name.partition(".")[0] for name in facts} <= {subject.value, "observed", "change", "now"}


def test_a_fact_is_told_in_a_sentence() -> None:
    assert [fact.name for facts in FACTS.values() for fact in facts.values() if not fact.doc.endswith(".")] == []
