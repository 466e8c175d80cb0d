"""What the HTML reports say, each subject its own."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from html import unescape

import pytest

from kmsplan.apply.outcome import Outcome, Result, ResultStatus
from kmsplan.drift.report import DriftReport
from kmsplan.inventory.due import DueReport
from kmsplan.inventory.item import Inventory
from kmsplan.plan.plan import Action, Change, Drift, Plan, Reason
from kmsplan.policy.report import PolicyReport
from kmsplan.report.drift_html import drift_html
from kmsplan.report.due_html import due_html
from kmsplan.report.form import Subject
from kmsplan.report.inventory_html import inventory_html
from kmsplan.report.outcome_html import outcome_html
from kmsplan.report.plan_html import plan_html
from kmsplan.report.policy_html import policy_html
from kmsplan.report.scene import Scene
from kmsplan.resource.address import Address
from tests.browser.specimen import drift, due, inventory, outcome, plan, policy, scene, specimen

EMPTY = Plan(lineage="", serial=0, environment="e", config_digest="c", changes=())


def headline(text: str) -> tuple[str, str]:
    (found,) = re.findall(r'<h1 class="(\w+)">(.*?)</h1>', text)
    tone, words = found
    return str(tone), unescape(words)


def first_cells(text: str, section: str) -> list[str]:
    """What the first column of a section's table says."""
    body = text.partition(f'<section id="{section}"')[2].partition("<tbody")[2].partition("</tbody>")[0]
    return re.findall(r'<tr role="row"[^>]*>\s*<td [^>]*>(?:<details><summary>|<span>)(.*?)</', body)


def notices(text: str) -> list[str]:
    return [
        unescape(re.sub(r"<[^>]+>", "", one)).strip()
        for one in re.findall(r"<h3>(.*?)</h3>", text.partition('id="first"')[2].partition("</section>")[0])
    ]


def test_a_plan_shows_what_it_takes_away_first() -> None:
    text = plan_html(plan(), scene())
    assert headline(text) == ("bad", "1 to add, 3 to change, 1 to destroy; 2 rules are broken")
    assert first_cells(text, "changes") == [
        "key.gone",
        "key.off",
        "key.blocked",
        "alias.moved",
        "key.tagged",
        "key.new",
    ]
    assert notices(text) == [
        "!held back A key in use is to be deleted (P109)",
        "✗refused A rule is broken (P104)",
        "-schedule deletion key.gone",
        "~disable key.off",
        "!changed outside of kmsplan key.off",
    ]
    for words in ("used by: checkout", "aliases: alias/gone, alias/theirs (unmanaged)", "last use: 2026-05-30"):
        assert words in text
    assert "team/kms.yaml:7" in text


def test_a_plan_tells_when_a_deletion_that_it_schedules_would_be_carried_out() -> None:
    text = plan_html(plan(), scene())
    calendar = text.partition('<section id="calendar"')[2]
    assert "if the plan is applied now, its deletion window of 30d ends" in calendar
    assert "2026-07-01" in calendar
    assert "if the plan is applied now, it first rotates after 1d" in calendar


def test_a_plan_that_can_be_applied_says_how_and_one_that_is_refused_does_not() -> None:
    refused = plan()
    assert "kmsplan apply FILE" in plan_html(replace(refused, violations=()), scene())
    assert "kmsplan apply FILE" not in plan_html(refused, scene())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (plan_html(EMPTY, Scene()), ("good", "No changes. Your keys match the configuration.")),
        (drift_html(DriftReport(), Scene()), ("good", "No drift. The KMS holds what the last apply left.")),
        (outcome_html(Outcome(), Scene()), ("good", "Apply complete: 0 added, 0 changed, 0 destroyed")),
        (policy_html(PolicyReport(), Scene()), ("good", "Every rule that could be judged holds, or is waived.")),
        (inventory_html(Inventory(items=()), Scene()), ("quiet", "0 keys")),
        (due_html(DueReport(until=Scene().now), Scene()), ("good", "Nothing falls due.")),
    ],
    ids=["plan", "drift", "outcome", "policy", "inventory", "due"],
)
def test_a_report_without_news_says_so(text: str, expected: tuple[str, str]) -> None:
    assert headline(text) == expected
    assert 'id="first"' not in text


def test_a_plan_that_was_not_made_does_not_read_as_one_without_changes() -> None:
    missing = replace(EMPTY, violations=plan().violations, complete=False)
    assert headline(plan_html(missing, Scene())) == ("bad", "kmsplan made no plan.")


def test_drift_tells_who_did_it_and_when_the_newest_first() -> None:
    text = drift_html(drift(), scene())
    assert headline(text) == ("change", "5 objects differ from what the last apply left")
    assert first_cells(text, "findings")[:2] == ["alias.orders", "key.signer"]
    assert first_cells(text, "timeline") == ["2026-05-31T23:00:00Z"] * 3
    assert "DisableKey by mallory at 2026-05-31T23:00:00Z" in text
    assert "the waiver of bob expired on 2026-05-01: migration" in text
    assert first_cells(text, "waived") == ["key.waived"]


def test_a_waiver_that_counts_says_until_when() -> None:
    waived = drift().waived[0]
    assert waived.waiver is not None
    lasting = replace(waived, waiver=replace(waived.waiver, expires=date(2026, 6, 1)))
    text = drift_html(replace(drift(), waived=(lasting,), findings=()), scene())
    assert "accepted by bob until 2026-06-01: migration" in text


def test_what_a_plan_found_gone_is_among_what_to_look_at_first() -> None:
    gone = Drift(address="alias.a", identity="alias/a", kind="vanished")
    text = plan_html(replace(EMPTY, drift=(gone, Drift(address="", identity="key-1", kind="unmanaged"))), Scene())
    assert notices(text) == ["!changed outside of kmsplan alias.a"]
    assert "<li>vanished</li>" in text


def test_keys_that_are_almost_all_managed_do_not_count_as_all() -> None:
    text = drift_html(DriftReport(managed_keys=999, unmanaged_keys=1), Scene())
    assert "<strong>99 %</strong> of the keys are managed" in text


def test_an_outcome_shows_what_is_not_done_and_what_to_do_about_it() -> None:
    text = outcome_html(outcome(), scene())
    assert headline(text) == ("bad", "Apply incomplete: 1 added, 0 changed, 0 destroyed")
    assert first_cells(text, "results")[:2] == ["key.unsure", "key.orders"]
    assert "✗the state is not written What was done is in the journal" in notices(text)
    assert "before anything else it asks the KMS whether an operation in doubt was carried out" in text


def test_a_complete_outcome_is_good_news() -> None:
    done = Result(address=Address("key.a"), action=Action.CREATE, status=ResultStatus.DONE, done=1, planned=1)
    text = outcome_html(Outcome(results=(done,)), Scene())
    assert headline(text) == ("good", "Apply complete: 1 added, 0 changed, 0 destroyed")


def test_a_policy_check_shows_evidence_and_makes_no_claim() -> None:
    text = policy_html(policy(), scene())
    assert headline(text) == ("bad", "Rules are broken: 1 error, 1 warning, 1 note")
    assert first_cells(text, "rules") == ["R100", "R101", "R102", "R108"]
    assert "NIST SP 800-57" in text
    assert "evidence, not a certificate" in text
    assert "compliant" not in text.lower()


def test_an_inventory_unfolds_to_all_that_is_known_and_says_what_is_not() -> None:
    text = inventory_html(inventory(), scene())
    assert headline(text) == ("quiet", "5 keys")
    assert first_cells(text, "keys")[:2] == ["key.orders", "key.signer"]
    assert "last_used = unknown" in text
    assert "deletion = 2026-06-08T12:00:00Z" in unescape(text)
    for figure in (
        "<strong>4</strong> managed",
        "<strong>1</strong> not managed here",
        "<strong>1</strong> to be deleted",
    ):
        assert figure in text


def test_what_is_overdue_makes_the_page_of_what_falls_due_red() -> None:
    assert headline(due_html(due(), scene())) == ("bad", "7 due until 2027-06-01")
    later = replace(due(), due=due().due[1:])
    assert headline(due_html(later, scene()))[0] == "change"
    assert "key.silent" in due_html(later, scene())


def test_what_is_first_to_look_at_is_cut_and_says_so() -> None:
    one = specimen(Subject.PLAN)
    gone = one.value.changes[2]
    many = replace(
        one.value,
        violations=(),
        drift=(),
        changes=tuple(replace(gone, address=Address(f"key.k{number:02}")) for number in range(30)),
    )
    assert notices(plan_html(many, one.scene))[-1] == "…and 10 more in the table of changes below"


def test_changes_of_records_alone_are_listed_and_the_untouched_are_counted() -> None:
    recorded = Change(
        address=Address("key.a"), action=Action.NO_OP, reason=Reason.SETTING, moved_from=Address("key.b"), after={}
    )
    waiting = Change(address=Address("key.w"), action=Action.NO_OP, reason=Reason.WAITING)
    assert first_cells(plan_html(replace(EMPTY, changes=(recorded, waiting)), Scene()), "changes") == ["key.a"]
