from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from kmsplan.inventory.dates import find_due
from kmsplan.inventory.due import Due, DueKind, DueReport
from kmsplan.resource.value import ABSENT, Unreadable
from tests.keeping import NOW, configuration, observed, present, record, recorded, waiver

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kmsplan.resource.value import Observation, Present

DAY = timedelta(days=1)
WITHIN = 365 * DAY
QUARTER = 90 * 86_400


def day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def report(
    *keys: Present,
    declared: Mapping[str, Mapping[str, Any]] | None = None,
    within: timedelta = WITHIN,
    every: bool = False,
    others: tuple[Present, ...] = (),
    settings: Mapping[str, Any] | None = None,
    **unread: Observation,
) -> DueReport:
    records = [record(f"key.{one.identity.partition('-')[2]}") for one in keys]
    records += [record(f"key.{name}") for name in unread]
    return find_due(
        configuration(declared, **(settings or {})),
        recorded(*records),
        observed(*keys, others=others, **unread),
        NOW,
        within,
        every=every,
    )


def only(found: DueReport) -> Due:
    (due,) = found.due
    return due


def said(found: DueReport) -> list[tuple[str, str, str]]:
    return [(due.at.date().isoformat(), due.kind.value, due.subject) for due in found.due]


def rotating(**told: Any) -> Present:
    return present("key.a", rotation=QUARTER, told={"next_rotation_date": "2026-07-01T00:00:00Z"} | told)


def test_nothing_falls_due_where_nothing_does() -> None:
    assert said(report(present("key.a"))) == []


def test_a_rotation_falls_due_when_the_kms_says() -> None:
    assert said(report(rotating())) == [("2026-07-01", "rotation", "key.a")]


def test_what_lies_behind_the_horizon_is_left_out_and_what_lies_on_it_is_not() -> None:
    horizon = day("2026-07-01") - NOW
    assert said(report(rotating(), within=horizon)) == [("2026-07-01", "rotation", "key.a")]
    assert said(report(rotating(), within=horizon - timedelta(seconds=1))) == []


def test_what_is_overdue_is_told_whatever_the_horizon() -> None:
    due = only(report(rotating(next_rotation_date="2026-05-01T00:00:00Z"), within=DAY))
    assert due.overdue(NOW)


@pytest.mark.parametrize(
    ("observed_rotation", "state", "when"),
    [
        (QUARTER, "Enabled", "2026-04-01"),  # it is told to be later than it should
        (None, "Enabled", "2026-04-01"),
        (QUARTER, "Disabled", "2026-04-01"),
    ],
)
def test_a_rotation_that_is_declared_and_not_kept_falls_due_when_it_was_promised(
    observed_rotation: int | None, state: str, when: str
) -> None:
    told = {"next_rotation_date": "2026-07-01T00:00:00Z"}
    key = present("key.a", rotation=observed_rotation, state=state, told=told)
    due = only(report(key, declared={"key.a": {"rotation": QUARTER}}))
    assert (due.at.date().isoformat(), due.kind, due.overdue(NOW)) == (when, DueKind.ROTATION, True)
    assert "kmsplan plan" in due.remedy


def test_a_rotation_that_is_kept_is_the_kms_s_even_where_it_comes_sooner_than_declared() -> None:
    key = rotating(next_rotation_date="2026-03-15T00:00:00Z")
    due = only(report(key, declared={"key.a": {"rotation": QUARTER}}))
    assert (due.at, due.summary) == (day("2026-03-15"), "is rotated by the KMS")


def test_a_key_that_is_declared_disabled_is_not_overdue() -> None:
    key = present("key.a", rotation=QUARTER, state="Disabled")
    assert said(report(key, declared={"key.a": {"rotation": QUARTER, "enabled": False}})) == []


def test_imported_material_and_deletions_have_an_end() -> None:
    imported = present("key.a", origin="EXTERNAL", imported="2026-08-01T00:00:00Z")
    going = present("key.b", state="PendingDeletion", told={"delete_date": "2026-07-01T00:00:00Z"})
    assert said(report(imported, going)) == [
        ("2026-07-01", "deletion", "key.b"),
        ("2026-08-01", "material_expiry", "key.a"),
    ]


def test_a_key_that_is_deleted_loses_nothing_before() -> None:
    key = present(
        "key.a",
        origin="EXTERNAL",
        imported="2026-06-15T00:00:00Z",
        state="PendingDeletion",
        told={"delete_date": "2026-07-01T00:00:00Z"},
    )
    assert said(report(key)) == [("2026-07-01", "deletion", "key.a")]


def test_the_next_version_of_an_asymmetric_key_can_be_made_seven_days_after_the_last() -> None:
    told = {"last_rotation_date": "2026-05-30T00:00:00Z", "version_count": 2}
    key = present("key.a", spec="EC_P256", usage="SIGN/VERIFY", versions=2, told=told)
    wanted = {"spec": "EC_P256", "usage": "SIGN/VERIFY"}
    due = only(report(key, declared={"key.a": wanted | {"min_versions": 3}}))
    assert (due.at, due.summary) == (day("2026-06-06"), "may be given version 3 of 3")
    assert said(report(key, declared={"key.a": wanted | {"min_versions": 2}})) == []


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (
            {"deletion_protection": True, "enabled": True},
            "is destroyed in stages; the next one: deletion protection off",
        ),
        ({"deletion_protection": False, "enabled": True}, "is destroyed in stages; the next one: disabled"),
    ],
)
def test_a_stage_that_nothing_holds_up_is_due_at_once(key: dict[str, Any], expected: str) -> None:
    due = only(report(present("key.a", **key), settings={"staged": {"key.a": None}}))
    assert (due.at, due.kind, due.summary) == (NOW, DueKind.STAGED, expected)


def test_a_disabled_key_s_deletion_is_due_when_it_has_been_unused_for_long_enough() -> None:
    told = {"last_used": "2026-05-20T00:00:00Z"}
    key = present("key.a", deletion_protection=False, enabled=False, state="Disabled", told=told)
    due = only(report(key, settings={"staged": {"key.a": 60 * 86_400}}))
    assert (due.at, due.summary) == (
        day("2026-07-19"), "has been unused for 60d, and its deletion can be scheduled",
    )  # fmt: skip


def test_a_stage_that_waits_for_what_nobody_knows_has_no_date() -> None:
    told = {"last_used": None, "tracked_since": None}
    key = present("key.a", deletion_protection=False, enabled=False, state="Disabled", told=told)
    assert said(report(key, settings={"staged": {"key.a": None}})) == []


def test_a_stage_that_waits_for_ever_is_never_due() -> None:
    told = {"last_used": "2026-05-20T00:00:00Z"}
    key = present("key.a", deletion_protection=False, enabled=False, state="Disabled", told=told)
    assert said(report(key, settings={"staged": {"key.a": 999_999_999 * 86_400}})) == []


def test_a_predecessor_s_grace_ends_so_long_after_its_successor_was_made() -> None:
    heir = present("key.a", told={"creation_date": "2026-05-31T00:00:00Z"})
    old = present("key.a~1")
    desired = {"key.a": {"on_replace": "succeed", "grace": 10 * 86_400}}
    assert said(report(heir, old, declared=desired)) == [("2026-06-10", "grace", "key.a~1")]
    resting = present("key.a~1", enabled=False, state="Disabled")
    assert said(report(heir, resting, declared=desired)) == []


def test_a_waiver_falls_due_on_its_last_day_and_is_overdue_after_it() -> None:
    due = only(report(settings={"waivers": (waiver(date(2026, 6, 1), rule="R101"),)}))
    assert (due.subject, due.at.date(), due.overdue(NOW)) == ("key.a", date(2026, 6, 1), False)
    assert due.summary == "the waiver by alice for rule R101 expires: until the move"
    assert only(report(settings={"waivers": (waiver(date(2026, 5, 31), attribute="enabled"),)})).overdue(NOW)


def test_keys_of_others_count_when_asked_for() -> None:
    other = present("key.x", rotation=QUARTER, told={"next_rotation_date": "2026-07-01T00:00:00Z"})
    assert said(report(others=(other,))) == []
    assert said(report(others=(other,), every=True)) == [("2026-07-01", "rotation", "key-x")]


def test_keys_whose_dates_nobody_could_tell_are_named() -> None:
    silent = present("key.b", rotation=QUARTER, told={"next_rotation_date": None})
    found = report(silent, a=Unreadable("x", "no answer"), gone=ABSENT)
    assert (found.due, found.untold) == ((), ("key.a", "key.b"))


def test_what_falls_due_is_sorted_by_time() -> None:
    keys = [
        present(f"key.{name}", rotation=QUARTER, told={"next_rotation_date": f"2026-0{month}-01T00:00:00Z"})
        for name, month in (("a", 9), ("b", 7), ("c", 8), ("d", 7))
    ]
    assert [due.subject for due in report(*keys).due] == ["key.b", "key.d", "key.c", "key.a"]
