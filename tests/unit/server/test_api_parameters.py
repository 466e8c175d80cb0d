"""Parameters through the wire: what is needed, and what has another type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from kmsplan.server import parameters
from kmsplan.server.action.table import ROWS
from kmsplan.server.parameters import PAGE, Parameter
from tests.calls import CALLS

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.calls import Parameters, Stage


SERVED: Final = {action: ROWS[action].parameters for action in CALLS}
REQUIRED: Final = [(action, parameter) for action, table in SERVED.items() for parameter in table if parameter.required]


def _named(parameters: Parameters, name: str) -> set[str]:
    """Return the names under which a parameter was sent."""
    return {sent for sent in parameters if sent == name or sent.startswith(f"{name}.")}


@pytest.mark.parametrize(("action", "parameter"), REQUIRED, ids=lambda value: getattr(value, "name", value))
@pytest.mark.parametrize("empty", [False, True], ids=["left out", "empty"])
def test_what_is_needed_is_missed_by_its_name(stage: Stage, action: str, parameter: Parameter, *, empty: bool) -> None:
    sent = CALLS[action](stage)
    gone = _named(sent, parameter.name)
    assert gone
    rest = {name: value for name, value in sent.items() if name not in gone}
    reply = stage.api.call(action, {**rest, parameter.name: ""} if empty and not parameter.empty else rest)
    assert (reply.status, reply.code) == (400, "MissingParameter")
    assert reply.json["Message"] == f'The parameter "{parameter.name}" is needed but not provided.'


LONG: Final = "9" * 40
UNFIT: Final[dict[Callable[..., Any], tuple[str, ...]]] = {
    parameters.flag: ("yes", "1", "null"),
    parameters.number: ("x", "1.5", "1e3", "0x10", " 1", LONG, "true"),
    PAGE[0].read: ("x", "0", "-1", "1.0", LONG),
    PAGE[1].read: ("x", "0", "-1", "101", LONG),
    parameters.base64: ("%", "AAE", "A A="),
    parameters.ciphertext: ("%", "AAE", "ü"),
    parameters.duration: ("30", "d", "-30d", "1y", "30 d"),
    parameters.contexts: ("x", "[]", "1", '"a"', '{"a":1}', '{"a":{}}', '{"a":"b"', '{"a":"b","a":"c"}'),
    parameters.json_object: ("x", "[]", "1", "{", "null", '{"a":"\\ud800"}'),
    parameters.tags: ("x", "{}", "[1]", "[", '[{"Key":"a"}]', '[{"TagKey":1}]', '[{"TagKey":"a"},{"TagKey":"a"}]'),
    parameters.names: ("[", "[1]", "[]", "a,,b", ","),
    parameters.objects: ("x", "{}", "[1]", "["),
    parameters.filters: ("x", "{}", "[1]", "[", '[{"Key":1}]', '[{"Key":"KeyState","Values":"Enabled"}]'),
}
"""By what reads a parameter: texts that it does not take."""
UNFIT_LISTS: Final[dict[Callable[..., Any], tuple[str, ...]]] = {
    parameters.listed: ("0", "x", "1000", "1.Key"),
    parameters.tagged: ("0.Key", "x", "1.Value", "1.Color"),
    parameters.tagged_pairs: ("0.Key", "x", "1.Value", "1.Color"),
}
"""The same for lists: ends of names."""
FREE: Final = {str, parameters.utf8}
"""What takes any text."""


def _unfit() -> list[tuple[str, str, str, str]]:
    found = []
    for action, table in SERVED.items():
        for parameter in table:
            reader = parameter.gather or parameter.read
            found += [(action, parameter.name, parameter.name, text) for text in UNFIT.get(reader, ())]
            found += [(action, parameter.name, f"{parameter.name}.{end}", "a") for end in UNFIT_LISTS.get(reader, ())]
    return found


def test_every_kind_of_parameter_has_texts_that_it_does_not_take() -> None:
    kinds = {parameter.gather or parameter.read for table in SERVED.values() for parameter in table}
    of_words = {kind for kind in kinds if kind.__qualname__.startswith("one_of.")}
    assert [kind.__qualname__ for kind in kinds - of_words - UNFIT.keys() - UNFIT_LISTS.keys() - FREE] == [
        "_no_recipient"
    ]


@pytest.mark.parametrize("action", sorted({action for action, *_ in _unfit()}))
def test_another_type_is_refused_by_the_parameters_name(stage: Stage, action: str) -> None:
    fit = CALLS[action](stage)
    for of, name, sent, text in _unfit():
        if of == action:
            rest = {key: value for key, value in fit.items() if key not in _named(fit, name)}
            reply = stage.api.call(action, {**rest, sent: text})
            assert (reply.status, reply.code) == (400, "InvalidParameter"), (sent, text, reply.json)
            assert f'The specified parameter "{name}" is not valid' in reply.json["Message"]


def test_truth_values_are_read_however_they_are_written(stage: Stage) -> None:
    for text, wanted in (("True", "Enabled"), ("FALSE", "Disabled"), ("true", "Enabled"), ("False", "Disabled")):
        stage.api.ok("SetDeletionProtection", KeyId=stage.other, EnableDeletionProtection=text)
        assert stage.api.ok("DescribeKey", KeyId=stage.other)["KeyMetadata"]["DeletionProtection"] == wanted
