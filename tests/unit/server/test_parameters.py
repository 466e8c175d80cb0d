"""Parameters: text on the wire to values, by tables."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kmsplan.engine.reading.view import Filter
from kmsplan.kms.error import KmsError
from kmsplan.server import parameters
from kmsplan.server.action.table import ROWS
from kmsplan.server.parameters import Parameter

if TYPE_CHECKING:
    from collections.abc import Callable


def read(parameter: Parameter, **given: str) -> Any:
    return parameters.read((parameter,), given).get(parameter.name)


def gathered(gather: Callable[..., Any], **given: str) -> Any:
    """Return what is taken together as P; `P_1_Key` stands for `P.1.Key`."""
    sent = {name.replace("_", "."): value for name, value in given.items()}
    return parameters.read((Parameter("P", gather=gather),), sent).get("P")


@pytest.mark.parametrize(
    ("reader", "text", "value"),
    [
        (str, "a b", "a b"),
        (parameters.flag, "True", True),
        (parameters.flag, "false", False),
        (parameters.whole(1, 3), "3", 3),
        (parameters.number, "-5", -5),
        (parameters.one_of("a", "b"), "b", "b"),
        (parameters.base64, "AAE=", b"\0\1"),
        (parameters.utf8, "ü", b"\xc3\xbc"),
        (parameters.duration, "30d", 2_592_000),
        (parameters.duration, "90s", 90),
        (parameters.context, '{"a":"b","c":""}', {"a": "b", "c": ""}),
        (parameters.context, "{}", {}),
        (parameters.json_object, '{"Version":"1"}', {"Version": "1"}),
        (parameters.tags, '[{"TagKey":"a","TagValue":"b"},{"TagKey":"c"}]', {"a": "b", "c": ""}),
        (parameters.names, '["a", "b"]', ("a", "b")),
        (parameters.names, "a, b", ("a", "b")),
        (parameters.objects, '[{"VpcId":"v"}]', ({"VpcId": "v"},)),
        (parameters.filters, '[{"Key":"KeyState","Values":["Enabled"]}]', (Filter("KeyState", ("Enabled",)),)),
    ],
)
def test_text_becomes_a_value(reader: Callable[[str], Any], text: str, value: Any) -> None:
    assert read(Parameter("P", reader), P=text) == value


@pytest.mark.parametrize(
    ("reader", "text"),
    [
        (parameters.flag, "yes"),
        (parameters.flag, "1"),
        (parameters.whole(1, 3), "0"),
        (parameters.whole(1, 3), "4"),
        (parameters.whole(1, 3), "1.0"),
        (parameters.whole(1, 3), "٣"),
        (parameters.number, "9" * 40),
        (parameters.one_of("a"), "A"),
        (parameters.base64, "AAE"),
        (parameters.base64, "AA=E"),
        (parameters.base64, "A A="),
        (parameters.base64, "ü==="),
        (parameters.ciphertext, "%%%"),
        (parameters.duration, "30"),
        (parameters.duration, "d"),
        (parameters.context, "x"),
        (parameters.context, "[]"),
        (parameters.context, '"a"'),
        (parameters.context, '{"a":1}'),
        (parameters.context, '{"a":{"b":"c"}}'),
        (parameters.context, '{"a":["b"]}'),
        (parameters.context, '{"a":null}'),
        (parameters.context, '{"a":"b","a":"c"}'),
        (parameters.context, '{"a":"\\ud800"}'),
        (parameters.context, "[" * 100_000),
        (parameters.context, json.dumps({"a": "b" * 8192})),
        (parameters.json_object, "[]"),
        (parameters.json_object, "{"),
        (parameters.json_object, '{"Effect":"Deny","Effect":"Allow"}'),
        (parameters.json_object, '{"Statement":[{"Effect":"Deny","\\u0045ffect":"Allow"}]}'),
        (parameters.json_object, '{"a":' * 64 + "1" + "}" * 64),
        (parameters.json_object, '{"a":' * 1010 + "1" + "}" * 1010),
        (parameters.json_object, '{"a":' + "[" * 64 + "]" * 64 + "}"),
        (parameters.tags, '[{"TagKey":"a","TagKey":"b"}]'),
        (parameters.filters, '[{"Key":"KeyState","Values":["Enabled"],"Values":["Disabled"]}]'),
        (parameters.tags, "{}"),
        (parameters.tags, '["a"]'),
        (parameters.tags, '[{"TagKey":1}]'),
        (parameters.tags, '[{"TagKey":"a","TagValue":1}]'),
        (parameters.tags, '[{"TagKey":"a"},{"TagKey":"a"}]'),
        (parameters.names, "[]"),
        (parameters.names, "[1]"),
        (parameters.names, "a,,b"),
        (parameters.objects, '["a"]'),
        (parameters.filters, "{}"),
        (parameters.filters, '[{"Key":1,"Values":[]}]'),
        (parameters.filters, '[{"Key":"KeyState","Values":"Enabled"}]'),
        (parameters.filters, '[{"Key":"KeyState","Values":[1]}]'),
    ],
)
def test_what_cannot_be_understood_is_refused_by_name(reader: Callable[[str], Any], text: str) -> None:
    with pytest.raises(KmsError, match='The specified parameter "P" is not valid') as refused:
        read(Parameter("P", reader), P=text)
    assert refused.value.code == "InvalidParameter"


def test_a_refusal_does_not_repeat_the_value() -> None:
    with pytest.raises(KmsError) as refused:
        read(Parameter("P", parameters.base64), P="my secret")
    assert "secret" not in refused.value.message


def test_a_ciphertext_is_refused_without_a_reason() -> None:
    with pytest.raises(KmsError) as refused:
        read(Parameter("CiphertextBlob", parameters.ciphertext), CiphertextBlob="?")
    assert refused.value.message == 'The specified parameter "CiphertextBlob" is not valid.'


@pytest.mark.parametrize("given", [{}, {"P": ""}])
def test_what_is_needed_is_missed_by_name(given: dict[str, str]) -> None:
    with pytest.raises(KmsError) as refused:
        read(Parameter("P", required=True), **given)
    assert refused.value.code == "MissingParameter"
    assert refused.value.message == 'The parameter "P" is needed but not provided.'


def test_empty_text_is_a_value_where_that_means_something() -> None:
    assert read(Parameter("P", required=True, empty=True), P="") == ""
    assert read(Parameter("P"), P="") is None


def test_parameters_that_nobody_knows_are_left_alone() -> None:
    assert parameters.read((Parameter("P"),), {"P": "a", "Q": "b"}) == {"P": "a"}


def test_lists_come_in_the_order_of_their_numbers() -> None:
    numbered = {f"P_{number}": f"key-{number}" for number in range(11, 0, -1)}
    assert gathered(parameters.listed, **numbered) == tuple(f"key-{number}" for number in range(1, 12))


def test_tags_come_in_pairs() -> None:
    sent = {"P_1_Key": "a", "P_1_Value": "b", "P_2_Key": "c"}
    assert gathered(parameters.tagged, **sent) == {"a": "b", "c": ""}
    assert gathered(parameters.tagged_pairs, **sent) == (("a", "b"), ("c", None))


@pytest.mark.parametrize(
    ("gather", "sent"),
    [
        (parameters.listed, {"P_0": "a"}),
        (parameters.listed, {"P_x": "a"}),
        (parameters.listed, {"P_1": ""}),
        (parameters.listed, {"P_1_Key": "a"}),
        (parameters.listed, {"P_1000": "a"}),
        (parameters.tagged, {"P_1_Value": "a"}),
        (parameters.tagged, {"P_1_Key": "a", "P_2_Key": "a"}),
        (parameters.tagged, {"P_1_Color": "a"}),
        (parameters.contexts, {"P": "{}", "P_a": "b"}),
        (parameters.contexts, {"P_a": "b" * 8192}),
    ],
)
def test_lists_that_make_no_sense_are_refused(gather: Callable[..., Any], sent: dict[str, str]) -> None:
    with pytest.raises(KmsError) as refused:
        gathered(gather, **sent)
    assert refused.value.code == "InvalidParameter"


def test_a_flattened_context_is_never_overlooked() -> None:
    """The Node SDK sends `EncryptionContext.a=b` where the others send JSON."""
    assert gathered(parameters.contexts, P_a="b", P_c="d") == {"a": "b", "c": "d"}
    assert gathered(parameters.contexts, P='{"a":"b"}') == {"a": "b"}
    assert gathered(parameters.contexts, Q_a="b") is None


TABLES = {action: row.parameters for action, row in ROWS.items() if row.parameters}
TEXTS = st.text() | st.sampled_from(
    ["true", "1", "[]", "{}", "AAAA", "30d", '{"a":"b"}', '[{"Key":"KeyState","Values":["Enabled"]}]']
)


@given(action=st.sampled_from(sorted(TABLES)), data=st.data())
def test_whatever_is_sent_gives_values_or_a_refusal(action: str, data: st.DataObject) -> None:
    table = TABLES[action]
    names = st.sampled_from([parameter.name + end for parameter in table for end in ("", ".1", ".1.Key", ".x")])
    sent = data.draw(st.dictionaries(names, TEXTS, max_size=12))
    try:
        values = parameters.read(table, sent)
    except KmsError as error:
        dry = sent.get("DryRun", "").lower() == "true"
        codes = {"ValidationError"} if dry else {"MissingParameter", "InvalidParameter", "UnsupportedOperation"}
        assert error.code in codes  # noqa: PT017 - or none
    else:
        assert values.keys() <= {parameter.name for parameter in table}
        assert all(parameter.name in values for parameter in table if parameter.required)
