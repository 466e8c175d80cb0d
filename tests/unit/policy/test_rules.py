"""Golden stories: each rule has one that keeps it and one that breaks it. KMSPLAN_UPDATE=1 writes them anew."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from kmsplan.config.packs import catalogue, packs
from tests.policing import Story, only

CASES = Path(__file__).parents[2] / "case" / "policy"
STORIES = [
    (path.stem, outcome, story)
    for path in sorted(CASES.glob("R*.yaml"))
    for outcome, stories in yaml.safe_load(path.read_text()).items()
    if outcome != "pack"
    for story in stories
]
OUTCOMES = {"holds": "held", "breaks": "broken", "not_known": "skipped"}


def judged(rule: str, outcome: str, story: str, folder: Path) -> Any:
    case = yaml.safe_load((CASES / f"{rule}.yaml").read_text())
    written = dict(case[outcome][story] or {})
    view = written.pop("view", "planned")

    for name in ("before", "after"):
        (folder / name).mkdir()
        (folder / name / "m.bin").write_bytes(bytes(32))
    report = Story(folder, written, {"packs": [case["pack"]]}).report(as_observed=view == "observed")
    return only(report, rule)


def test_every_rule_has_stories_of_both_ends_and_every_story_a_rule() -> None:
    told = {(rule, outcome) for rule, outcome, _ in STORIES}
    assert told >= {(rule, outcome) for rule in catalogue() for outcome in ("holds", "breaks")}
    assert {rule for rule, _ in told} == set(catalogue())


def test_every_rule_is_in_a_pack() -> None:
    assert {rule for pack in packs().values() for rule in pack.rules} == set(catalogue())


@pytest.mark.parametrize(("rule", "outcome", "story"), STORIES)
def test_a_rule_says_what_its_story_tells(rule: str, outcome: str, story: str, tmp_path: Path) -> None:
    report = judged(rule, outcome, story, tmp_path)
    (counts,) = report.judged
    found = {name: count for name in OUTCOMES.values() if (count := getattr(counts, name))}
    wanted = OUTCOMES.get(outcome)
    assert set(found) == ({wanted} if wanted else set())
    assert len(report.findings) == found.get("broken", 0)


@pytest.mark.parametrize("rule", sorted(catalogue()))
def test_a_finding_names_the_values(rule: str, tmp_path: Path) -> None:
    lines = []
    for index, (_, outcome, story) in enumerate(one for one in STORIES if one[:2] == (rule, "breaks")):
        (tmp_path / str(index)).mkdir()
        report = judged(rule, outcome, story, tmp_path / str(index))
        lines += [f"{story}: {one.address or one.identity}: {one.message}" for one in report.findings]
    expected = CASES / f"{rule}.txt"
    text = "".join(f"{line}\n" for line in lines)
    if os.environ.get("KMSPLAN_UPDATE"):
        expected.write_text(text)
    assert text == expected.read_text()
