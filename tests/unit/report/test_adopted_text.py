"""What an import says: what was adopted, and what the next plan will do about it."""

from __future__ import annotations

from typing import Any

from kmsplan.plan.plan import Action, Change, Reason
from kmsplan.report.adopted_text import adopted_text
from kmsplan.report.style import Style
from kmsplan.resource.address import Address
from kmsplan.resource.step import Effect, Status


def change(**of: Any) -> Change:
    return Change(
        address=Address("key.orders"), action=Action.ADOPT, reason=Reason.IMPORTED, identity="key-1\x1b[2J", **of
    )


def test_an_object_as_declared_is_said_to_be_that_and_words_of_others_are_escaped() -> None:
    assert adopted_text(change(), Style()) == (
        "key.orders: adopted (key-1\\x1b[2J)\nIt is as the configuration declares it.\n"
    )


def test_what_differs_is_shown_as_the_next_plan_would() -> None:
    text = adopted_text(
        change(
            before={"rotation": None, "tags": {"a": "1"}},
            after={"rotation": 7_776_000, "tags": {}},
            attributes=("rotation", "tags"),
        ),
        Style(),
    )
    assert text.splitlines()[1:] == [
        "It differs from the configuration, and the next plan will change it:",
        '  ~ key "orders" {',
        "      ~ rotation = null -> 90d",
        "      ~ tags     = {",
        '          - "a" = "1" -> null',
        "        }",
        "    }",
    ]


def test_a_key_that_waits_for_its_deletion_is_said_to_be_restored() -> None:
    text = adopted_text(change(effect=Effect(status=Status.PENDING_DELETION)), Style())
    assert "the next plan will restore it" in text
