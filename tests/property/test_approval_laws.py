"""Laws of judging: whoever approves is trusted, distinct and on time, in whatever order the lines stand."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import hypothesis.strategies as st
from hypothesis import given, settings

from kmsplan.approval.judge import Policy, judge
from kmsplan.approval.signature import Signature
from tests.unit.approval.conftest import ADA, BOB, CAROL, EVE, NOW, SUBJECT, policy

TRUSTED = (ADA.trusted(), BOB.trusted("dave@*"), CAROL.trusted())
PUBLIC = {person.name: person.key.public for person in (ADA, BOB, CAROL, EVE)}
GENUINE = ADA.sign()
hours = st.integers(-72, 72).map(lambda count: NOW + timedelta(hours=count))


@st.composite
def signatures(draw: Any) -> Signature:
    """One that holds under its own key, whatever it says; judging does not look at its value."""
    key = PUBLIC[draw(st.sampled_from(sorted(PUBLIC)))]
    statement = replace(
        GENUINE.statement,
        plan=draw(st.sampled_from([SUBJECT.digest, "cd" * 32])),
        lineage=draw(st.sampled_from([SUBJECT.lineage, "5a2e"])),
        author=draw(st.sampled_from([SUBJECT.author, "dave@desk"])),
        signer=draw(st.sampled_from(sorted(PUBLIC))),
        key=key.fingerprint,
        signed=draw(hours),
        expires=draw(hours),
    )
    return Signature(statement, key, b"")


policies = st.builds(
    lambda required, not_author, age: policy(
        required, *TRUSTED, not_author=not_author, max_age=timedelta(hours=age) if age else None
    ),
    st.integers(1, 3),
    st.booleans(),
    st.integers(0, 72),
)
SIGNED = st.lists(signatures() | st.sampled_from([ADA.sign(), BOB.sign(), CAROL.sign()]), max_size=8)


@settings(max_examples=300, deadline=None)
@given(SIGNED, policies)
def test_what_approves_is_as_many_trusted_people_as_required(signed: list[Signature], rule: Policy) -> None:
    found = judge(signed, rule, SUBJECT, NOW)
    good = {
        (one.key, one.statement.signer)
        for one, standing in zip(signed, found.standings, strict=True)
        if standing.counts
    }
    assert len(good) == found.counted
    assert good <= {(signer.key, signer.name) for signer in rule.signers}
    assert found.approved == (len(good) >= rule.required)
    for standing in found.standings:
        statement = standing.statement
        if standing.counts:
            assert (statement.plan, statement.lineage, statement.author) == (
                *(SUBJECT.digest, SUBJECT.lineage, SUBJECT.author),
            )
            assert statement.signed - timedelta(minutes=5) <= NOW < statement.expires
            assert not rule.not_author or not statement.signer.startswith("carol")


@settings(max_examples=200, deadline=None)
@given(SIGNED, policies, st.randoms(use_true_random=False))
def test_the_order_of_the_lines_decides_nothing(signed: list[Signature], rule: Policy, random: Any) -> None:
    mixed = list(signed)
    random.shuffle(mixed)
    one, other = judge(signed, rule, SUBJECT, NOW), judge(mixed, rule, SUBJECT, NOW)
    assert (one.counted, one.approved, one.missing) == (other.counted, other.approved, other.missing)


@settings(max_examples=200, deadline=None)
@given(SIGNED, policies, signatures())
def test_a_line_more_takes_no_approval_away(signed: list[Signature], rule: Policy, more: Signature) -> None:
    assert judge([more, *signed], rule, SUBJECT, NOW).counted >= judge(signed, rule, SUBJECT, NOW).counted
