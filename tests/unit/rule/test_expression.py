from __future__ import annotations

from datetime import UTC, datetime

import pytest

from kmsplan.rule.expression import Answer, ExpressionError, Truth, language
from kmsplan.rule.fact import FACTS, Subject, Type

KEY = language(Subject.KEY)
SAMPLES = {
    Type.BOOL: True,
    Type.INT: 1,
    Type.STRING: "x",
    Type.STRINGS: ["x"],
    Type.TAGS: {"x": "y"},
    Type.STATEMENTS: [{"Effect": "Allow", "Principal": {"RAM": ["x"]}}],
    Type.TIME: datetime(2026, 6, 1, tzinfo=UTC),
}
"""A value of each type; each is asked for in an expression that is true of it."""
TRUE_OF = {
    Type.BOOL: "{}",
    Type.INT: "{} == 1",
    Type.STRING: '{} == "x"',
    Type.STRINGS: '"x" in {}',
    Type.TAGS: '{}["x"] == "y"',
    Type.STATEMENTS: '{}.exists(s, s.Effect == "Allow" && "x" in s.Principal.RAM)',
    Type.TIME: '{} == timestamp("2026-06-01T00:00:00Z")',
}


def ask(text: str, **facts: object) -> Answer:
    known = {name.replace("__", "."): value for name, value in facts.items()}
    return KEY.compile(text).ask(KEY.facts(known))


@pytest.mark.parametrize("subject", list(Subject))
def test_every_fact_can_be_asked_for_by_its_type(subject: Subject) -> None:
    asked = language(subject)
    for name, fact in FACTS[subject].items():
        expression = asked.compile(TRUE_OF[fact.type].format(name))
        assert expression.ask(asked.facts({name: SAMPLES[fact.type]})).truth is Truth.TRUE, name
        assert expression.names == (name,)


def test_true_and_false_are_what_they_are() -> None:
    assert ask("key.bits >= 256", key__bits=256) == Answer(Truth.TRUE)
    assert ask("key.bits >= 256", key__bits=128) == Answer(Truth.FALSE)


def test_a_fact_that_is_not_known_is_named() -> None:
    assert ask("observed.unused_days < 3") == Answer(Truth.UNKNOWN, "observed.unused_days")


@pytest.mark.parametrize("text", ["key.enabled || observed.exists", "observed.exists || key.enabled"])
def test_what_is_decided_without_it_needs_no_unknown_fact(text: str) -> None:
    assert ask(text, key__enabled=True).truth is Truth.TRUE
    assert ask(text, key__enabled=False).truth is Truth.UNKNOWN


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('key.tags["owner"] == "ada"', "owner"),
        ("1 / key.bits == 0", "divide by zero"),
        ('key.spec.matches("(")', "missing )"),
        ('key.policy[0].Effect == "Allow"', "Index error"),
        ("key.policy.exists(s, s.Effect)", "No matching overloads"),
    ],
)
def test_what_cannot_be_worked_out_says_why(text: str, reason: str) -> None:
    known = {"key__tags": {}, "key__bits": 0, "key__spec": "x", "key__policy": []}
    if "exists" in text:
        known["key__policy"] = [{"Effect": 1}]
    answer = ask(text, **known)
    assert answer.truth is Truth.FAILED
    assert reason in answer.reason


def test_work_is_bounded() -> None:
    nested = "key.aliases.all(a, key.aliases.all(b, key.aliases.all(c, a + b + c != '')))"
    answer = ask(nested, key__aliases=["x"] * 1000)
    assert answer.truth is Truth.FAILED
    assert "budget" in answer.reason


def test_patterns_run_in_linear_time() -> None:
    assert ask('key.description.matches("^(a+)+$")', key__description="a" * 5000 + "b").truth is Truth.FALSE


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ("key.bitz > 1", 1, 4, "undeclared reference to 'key.bitz'"),
        ("true &&\n  key.bits > 'x'", 2, 12, "no matching overload"),
        ("key.enabled &&", 1, 15, "Syntax error"),
        ("key.bits", 1, 1, "has to be true or false"),
        ("alias.name == 'x'", 1, 6, "undeclared reference"),
        ("params.days > 1", 1, 7, "undeclared reference"),
        ("open('/etc/passwd') == ''", 1, 5, "undeclared reference to 'open'"),
        ("(" * 500 + "true" + ")" * 500, 1, 1, "recursion"),
        ("true || " * 20_000 + "true", 1, 1, "limit"),
    ],
)
def test_a_mistake_has_its_place(text: str, line: int, column: int, message: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        KEY.compile(text)
    first = caught.value.mistakes[0]
    assert (first.line, first.column) == (line, column)
    assert message in first.message
    assert "INVALID_ARGUMENT" not in str(caught.value)


def test_every_mistake_is_told() -> None:
    with pytest.raises(ExpressionError) as caught:
        KEY.compile("key.one && key.two")
    assert [mistake.column for mistake in caught.value.mistakes] == [4, 15]


def test_parameters_stand_for_their_values() -> None:
    text = "key.bits >= params.bits && key.spec in params.specs && key.name != params.name"
    expression = KEY.compile(text, {"bits": 128, "specs": ("a", 'b"'), "name": "a \"\\' name"})
    assert expression.parameters == ("bits", "specs", "name")
    known = {"key.bits": 128, "key.spec": 'b"', "key.name": "x"}
    assert expression.ask(KEY.facts(known)).truth is Truth.TRUE
    assert expression.ask(KEY.facts({**known, "key.name": "a \"\\' name"})).truth is Truth.FALSE


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("key . // of it\n tags == {}", ("key.tags",)),
        ('"key.enabled" == key.name', ("key.name",)),
        ("""key.name.matches(r'\\"key.spec\\"')""", ("key.name",)),
        ("has(key.tags.bits)", ("key.tags",)),
        ("key.instance_type == ''", ("key.instance_type",)),
        ("[1].all(now, now > 0) && key.enabled", ("key.enabled",)),
        ("key.bits > 1 && key.enabled && key.bits < 3", ("key.bits", "key.enabled")),
    ],
)
def test_an_expression_knows_exactly_which_facts_it_asks_for(text: str, names: tuple[str, ...]) -> None:
    # Verdicts are shared between objects that have these in common: one too few would be a wrong verdict.
    assert set(names) <= set(KEY.compile(text).names)
    assert set(KEY.compile(text).names) - set(names) <= {"now"}
