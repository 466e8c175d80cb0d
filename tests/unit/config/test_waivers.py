from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path

from kmsplan.config.configuration import Configuration, Waiver
from kmsplan.config.load import load

Load = Callable[..., Configuration]
ONE = "waivers: [{address: key.a, owner: ada, reason: moving, expires: 2027-01-31%s}]\n"


def test_a_waiver_is_read_with_its_place(loaded: Load) -> None:
    (waiver,) = loaded(ONE % ", attribute: enabled").waivers
    assert isinstance(waiver, Waiver)
    assert (waiver.address, waiver.attribute, waiver.rule) == ("key.a", "enabled", None)
    assert (waiver.owner, waiver.reason, waiver.expires) == ("ada", "moving", date(2027, 1, 31))
    assert (waiver.span.filename, waiver.span.line) == ("kmsplan.yaml", 2)


def test_files_add_up_and_keep_the_order(loaded: Load, tmp_path: Path) -> None:
    (tmp_path / "z.yaml").write_text(ONE % ", rule: R101")
    assert [waiver.rule for waiver in loaded(ONE % "").waivers] == [None, "R101"]


def warned(folder: Path, text: str, day: str) -> list[str]:
    (folder / "kmsplan.yaml").write_text("kmsplan: 1\n" + text)
    now = datetime.fromisoformat(f"{day}T23:59:59+00:00")
    found = load(folder, variables={}, variable_files=[], environ={}, now=now)
    assert len(found.waivers) == 1, "one that has ended is still there, so that reports can name it"
    return [warning.code for warning in found.warnings]


def test_it_counts_to_the_end_of_its_last_day(tmp_path: Path) -> None:
    assert warned(tmp_path, ONE % "", "2027-01-31") == []
    assert warned(tmp_path, ONE % "", "2027-02-01") == ["K427"]


def test_more_than_a_year_is_worth_a_word(tmp_path: Path) -> None:
    assert warned(tmp_path, ONE % "", "2026-01-30") == []
    assert warned(tmp_path, ONE % "", "2026-01-29") == ["K428"]


POLICY = "policy: {packs: [baseline]}\n"


def test_what_a_plan_is_made_under_is_in_the_digest(loaded: Load) -> None:
    plain, judged = loaded("").digest, loaded(POLICY).digest
    assert plain != judged
    assert loaded(POLICY + ONE % ", rule: R101").digest not in (plain, judged)
    assert loaded(POLICY + ONE % "").digest == judged, "a waiver of drift changes no plan"
    assert loaded(ONE % ", rule: R101").digest == plain, "without a policy there is nothing to let pass"
    assert loaded("policy: {packs: [{pack: baseline, strength: 128}]}\n").digest != judged
