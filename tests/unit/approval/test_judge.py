from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from kmsplan.approval.judge import Judgement, Signer, judge
from tests.unit.approval.conftest import ADA, BOB, CAROL, DAY, EVE, NOW, SUBJECT, policy

if TYPE_CHECKING:
    from kmsplan.approval.judge import Policy
    from kmsplan.approval.signature import Signature

TWO = policy(2, ADA.trusted(), BOB.trusted(), CAROL.trusted())


def judged(rule: Policy, *signatures: Signature) -> Judgement:
    return judge(signatures, rule, SUBJECT, NOW + timedelta(hours=1))


def refusal(rule: Policy, signature: Signature) -> str:
    """Why a signature does not count although nothing else is wrong."""
    found = judged(rule, signature)
    assert not found.approved
    assert found.counted == 0
    return found.standings[0].refusal


def test_as_many_signers_as_required_approve() -> None:
    found = judged(TWO, ADA.sign(), BOB.sign())
    assert (found.approved, found.counted, found.missing) == (True, 2, ("carol",))


def test_one_fewer_does_not_and_it_is_said_who_could() -> None:
    found = judged(TWO, ADA.sign())
    assert (found.approved, found.counted, found.missing) == (False, 1, ("bob", "carol"))


def test_a_stranger_does_not_count_whatever_name_it_takes() -> None:
    assert "is not in ops.trusted.yaml" in refusal(TWO, EVE.sign())
    assert "is not in ops.trusted.yaml" in refusal(TWO, EVE.sign(name="ada"))


def test_a_signer_does_not_count_under_another_name() -> None:
    assert "its key is that of ada" in refusal(TWO, ADA.sign(name="bob"))


def test_one_key_counts_once_under_two_names_and_twice_under_one() -> None:
    assert judged(TWO, ADA.sign(), ADA.sign(name="bob")).counted == 1
    twice = judged(TWO, ADA.sign(), ADA.sign(signed=NOW - DAY / 2))
    assert (twice.counted, twice.standings[1].refusal) == (1, "ada is counted already")


def test_an_expired_signature_does_not_hide_a_good_one_by_the_same_key() -> None:
    assert judged(policy(1, ADA.trusted()), ADA.sign(signed=NOW - 2 * DAY), ADA.sign()).approved


@pytest.mark.parametrize("other", [{"digest": "cd" * 32}, {"lineage": "5a2e"}])
def test_an_approval_of_another_plan_is_none_of_this(other: dict[str, str]) -> None:
    assert "another plan" in refusal(TWO, ADA.sign(replace(SUBJECT, **other)))


def test_an_approval_is_bound_to_the_author() -> None:
    assert "another author" in refusal(TWO, ADA.sign(replace(SUBJECT, author="dave@laptop")))


def test_a_signature_ends_when_it_says() -> None:
    assert "it expired 2026-06-01T12:30:00Z" in refusal(TWO, ADA.sign(period=timedelta(minutes=30)))
    assert "it expired 2026-06-01T13:00:00Z" in refusal(TWO, ADA.sign(period=timedelta(hours=1)))
    assert judged(TWO, ADA.sign(period=timedelta(seconds=3601))).counted == 1


def test_a_signer_cannot_stretch_the_period_of_the_policy() -> None:
    rule = policy(1, ADA.trusted(), max_age=DAY)
    assert "more than 1d ago" in refusal(rule, ADA.sign(signed=NOW - DAY, period=365 * DAY))
    assert judged(rule, ADA.sign(signed=NOW - DAY / 2, period=365 * DAY)).approved


def test_a_postdated_signature_does_not_count() -> None:
    assert "in the future" in refusal(TWO, ADA.sign(signed=NOW + DAY))
    assert judged(TWO, ADA.sign(signed=NOW + timedelta(hours=1, minutes=4))).counted == 1


def test_the_author_counts_unless_it_must_not() -> None:
    signers = (ADA.trusted(), CAROL.trusted())
    assert judged(policy(1, *signers), CAROL.sign()).approved
    rule = policy(1, *signers, not_author=True)
    assert "carol is the author, carol@laptop" in refusal(rule, CAROL.sign())
    assert judged(rule, CAROL.sign()).missing == ("ada",)
    assert judged(rule, ADA.sign()).approved


@pytest.mark.parametrize(
    ("signer", "author", "same"),
    [
        (ADA.trusted(), "ada@laptop", True),
        (ADA.trusted(), "ADA@laptop", True),
        (ADA.trusted(), "adam@laptop", False),
        (ADA.trusted("lovelace@*"), "lovelace@desk", True),
        (ADA.trusted("*@ada-desk"), "root@ada-desk", True),
        (replace(ADA.trusted(), name="ada@example.org"), "ada@laptop", True),
        (ADA.trusted(), "", False),
    ],
)
def test_who_is_the_author_is_told_by_name_and_patterns(signer: Signer, author: str, *, same: bool) -> None:
    assert signer.is_author(author) is same


def test_the_facts_of_a_policy_change_with_whatever_it_says() -> None:
    other = [
        policy(1, *TWO.signers),
        policy(2, *TWO.signers[:2]),
        policy(2, *TWO.signers, not_author=True),
        policy(2, *TWO.signers, max_age=DAY),
        policy(2, ADA.trusted("x@*"), *TWO.signers[1:]),
        policy(2, replace(ADA.trusted(), key=EVE.key.public), *TWO.signers[1:]),
    ]
    assert all(one.facts != TWO.facts for one in other)
    assert replace(TWO, trusted="elsewhere").facts == TWO.facts
