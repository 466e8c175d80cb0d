from __future__ import annotations

from kmsplan.config.diagnostic import Severity
from kmsplan.config.place import Place, Source
from kmsplan.config.problems import Gap, Problems, listed, near, repeated
from kmsplan.kms.wording import quoted, shown

SOURCE = Source("a.yaml", "kmsplan: 1\nkeys: {}\n")


def test_problems_are_told_in_the_order_of_the_files() -> None:
    problems = Problems()
    problems.add("K202", "second", Place(SOURCE, 11, 15))
    problems.add("K201", "first", Place(SOURCE, 0, 7))
    problems.add("K203", "third", Place(SOURCE, 11, 15))
    problems.add("K101", "outside")
    assert [found.detail for found in problems.diagnostics()] == ["outside", "first", "second", "third"]


def test_one_mistake_in_many_objects_is_told_once_with_their_number() -> None:
    problems = Problems()
    for name in ("a", "b", "c"):
        problems.add("K501", f"no instance for {name}.", Place(SOURCE, 0, 1), address=f"key.{name}")
    (found,) = problems.diagnostics()
    assert found.detail == "no instance for a. (2 more objects made here, too.)"
    problems.add("K201", "x.", Place(SOURCE, 0, 1), address="key.a")
    problems.add("K201", "x.", Place(SOURCE, 0, 1), address="key.b")
    assert problems.diagnostics()[0].detail == "x. (1 more object made here, too.)"


def test_two_mistakes_of_one_object_at_one_place_are_both_told() -> None:
    problems = Problems()
    for detail in ("one", "two", "two", "one"):
        problems.add("K416", detail, Place(SOURCE, 0, 1), address="key.a")
    assert [found.detail for found in problems.diagnostics()] == ["one", "two"]


def test_nothing_is_called_missing_where_something_could_not_be_read() -> None:
    problems = Problems()
    problems.add("K501", "a name", until=Gap.NAMES)
    problems.add("K205", "an attribute", until=Gap.TEXT)
    problems.gap(Gap.NAMES)
    assert [found.code for found in problems.diagnostics()] == ["K205"]
    problems.gap(Gap.TEXT)
    problems.gap(Gap.NAMES)
    assert problems.diagnostics() == ()


def test_a_warning_is_no_error() -> None:
    problems = Problems()
    problems.add("K309", "just so", severity=Severity.WARNING)
    assert not problems
    problems.add("K101", "not just so")
    assert problems


def test_a_message_steers_no_terminal() -> None:
    problems = Problems()
    problems.add("K201", "a \x1b[31m", address="key.\x1b")
    (found,) = problems.diagnostics()
    assert (found.detail, found.address) == (r"a \x1b[31m", r"key.\x1b")


def test_near_names_are_guessed_by_distance_or_as_a_part() -> None:
    assert near("rotaton", ["rotation", "spec"]) == " Did you mean 'rotation'?"
    assert near("SIGN", ["ENCRYPT/DECRYPT", "SIGN/VERIFY"]) == " Did you mean 'SIGN/VERIFY'?"
    assert near("xyz", ["rotation"]) == ""
    assert near("a", ["abc"]) == ""


def test_values_are_named_by_what_they_are() -> None:
    values: list[object] = [None, True, False, 3, 1.5, "a", [], {}]
    assert [shown(value) for value in values] == [
        "null",
        "true",
        "false",
        "the number 3",
        "the number 1.5",
        "the text 'a'",
        "a list",
        "a mapping",
    ]
    assert len(quoted("x" * 1000)) == 62


def test_lists_are_told_and_searched() -> None:
    assert listed(["a", None, 3]) == "a, null, 3"
    assert repeated([{"a": 1}, "x", {"a": 1}]) == {"a": 1}
    assert repeated([1, 2]) is None
