"""What holds of every key policy, however it is put together."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kmsplan.engine.access.policy import allows, keeps_owner
from kmsplan.kms.policy import policy_problem

ACCOUNTS = ("1", "2", "3")
NAMES = ("root", "user/a", "user/b", "role/a")
ACTIONS = ("Encrypt", "Decrypt", "GenerateDataKey", "SetKeyPolicy", "GetKeyPolicy")
PATTERNS = ("kms:*", "kms:*crypt", "kms:Get*", "kms:SetKeyPolicy", "kms:encrypt", "kms:Nonsense", "kms:*Key*")

principals = st.builds("acs:ram::{}:{}".format, st.sampled_from(ACCOUNTS[:2]), st.sampled_from(("*", *NAMES)))
effects = st.sampled_from(("Allow", "Deny"))


@st.composite
def statements(draw: st.DrawFn, effect: st.SearchStrategy[str] = effects) -> dict[str, Any]:
    return {
        "Effect": draw(effect),
        "Principal": {"RAM": draw(st.lists(principals, min_size=1, max_size=3))},
        "Action": draw(st.lists(st.sampled_from(PATTERNS), min_size=1, max_size=3)),
        "Resource": ["*"],
    }


some_statements = st.lists(statements(), min_size=1, max_size=5)
denials = statements(st.just("Deny"))
allowances = statements(st.just("Allow"))
questions = st.tuples(st.sampled_from(ACCOUNTS), st.sampled_from((*NAMES, "user/unnamed")), st.sampled_from(ACTIONS))


def policy(found: list[dict[str, Any]]) -> dict[str, Any]:
    return {"Version": "1", "Statement": found}


def allowed(found: list[dict[str, Any]], question: tuple[str, str, str]) -> bool:
    return allows(json.dumps(policy(found)), "1", *question)


@given(some_statements)
def test_the_policies_of_these_laws_are_well_formed(found: list[dict[str, Any]]) -> None:
    assert policy_problem(policy(found)) is None


@given(some_statements, denials, st.data(), questions)
def test_a_denial_wins_wherever_it_stands(
    found: list[dict[str, Any]], denial: dict[str, Any], data: st.DataObject, question: tuple[str, str, str]
) -> None:
    place = data.draw(st.integers(0, len(found)))
    if allowed([{**denial, "Effect": "Allow"}], question):  # it speaks about the question
        assert not allowed([*found[:place], denial, *found[place:]], question)


@given(some_statements, allowances, questions)
def test_another_allowance_takes_nothing_away(
    found: list[dict[str, Any]], more: dict[str, Any], question: tuple[str, str, str]
) -> None:
    assert allowed([*found, more], question) >= allowed(found, question)


@given(some_statements, denials, questions)
def test_another_denial_gives_nothing(
    found: list[dict[str, Any]], more: dict[str, Any], question: tuple[str, str, str]
) -> None:
    assert allowed([*found, more], question) <= allowed(found, question)


@given(some_statements, st.permutations(range(5)), questions)
def test_the_order_of_statements_means_nothing(
    found: list[dict[str, Any]], order: list[int], question: tuple[str, str, str]
) -> None:
    shuffled = [found[index] for index in order if index < len(found)]
    assert allowed(shuffled, question) is allowed(found, question)


@given(some_statements, st.sampled_from(NAMES), st.sampled_from(ACTIONS))
def test_an_account_that_no_statement_names_never_gets_in(found: list[dict[str, Any]], name: str, action: str) -> None:
    assert not allowed(found, (ACCOUNTS[2], name, action))


@given(some_statements, st.text(min_size=1, max_size=12), st.sampled_from(ACTIONS))
def test_a_user_that_no_statement_names_gets_in_with_everybody_only(
    found: list[dict[str, Any]], name: str, action: str
) -> None:
    whole = {**policy(found)}
    everybody = any("acs:ram::1:*" in statement["Principal"]["RAM"] for statement in whole["Statement"])
    if not everybody:
        assert not allowed(found, ("1", f"user/{name}-unnamed", action))


@given(some_statements)
def test_who_keeps_the_key_is_somebody_who_may_set_its_policy(found: list[dict[str, Any]]) -> None:
    somebody = any(allowed(found, ("1", name, "SetKeyPolicy")) for name in (*NAMES, "user/unnamed"))
    assert keeps_owner(policy(found), "1") is somebody


@pytest.mark.parametrize("question", [("1", "root", "Decrypt"), ("1", "user/x", "SetKeyPolicy")])
def test_without_a_policy_the_owner_may_everything(question: tuple[str, str, str]) -> None:
    assert allows(None, "1", *question)
    assert not allows(None, "2", *question)
