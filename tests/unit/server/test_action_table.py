"""The action table against the SDK: every action, every parameter, every field of an answer."""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from kmsplan.server.action import crypto, extension, instance, key, naming, unsupported
from kmsplan.server.action.table import ROWS
from kmsplan.server.reference import OWN

if TYPE_CHECKING:
    from kmsplan.server.action.row import Row

client = pytest.importorskip("alibabacloud_kms20160120.client")
models = pytest.importorskip("alibabacloud_kms20160120.models")

OWN_PARAMETERS = {
    ("CreateKey", "ExternalKeyId"): "the cloud's console attaches external keys",
    ("CreateKey", "HsmObject"): "the cloud's HSMs hold no keys but the KMS's",
}
UNUSED: dict[tuple[str, str], str] = {}
SERVED: dict[str, Row] = {**crypto.ROWS, **key.ROWS, **naming.ROWS, **instance.ROWS}


def sdk_actions() -> set[str]:
    source = inspect.getsource(client)
    return set(re.findall(r"action = '([A-Za-z]+)'", source))


def sdk_parameters(action: str) -> set[str]:
    """Return the names that the SDK writes into a request."""
    model = getattr(models, f"{action}Request", None)
    if model is None:
        return set()
    source = inspect.getsource(model.to_map)
    return set(re.findall(r"result\['([^']+)'\]", source))


def test_every_action_of_the_sdk_has_a_row() -> None:
    assert len(sdk_actions()) > 80
    assert sdk_actions() - ROWS.keys() == set()


def test_actions_that_the_sdk_does_not_have_are_few_and_known() -> None:
    assert ROWS.keys() - sdk_actions() == OWN.keys()


def test_no_action_stands_in_two_tables() -> None:
    tables = (crypto.ROWS, key.ROWS, naming.ROWS, instance.ROWS, unsupported.ROWS, extension.ROWS)
    assert sum(map(len, tables)) == len(ROWS)


@pytest.mark.parametrize("action", sorted(SERVED.keys() - OWN.keys()))
def test_an_action_knows_every_parameter_that_the_sdk_sends(action: str) -> None:
    ours = {parameter.name for parameter in SERVED[action].parameters}
    assert sdk_parameters(action) - ours == {name for of, name in UNUSED if of == action}
    assert ours - sdk_parameters(action) == {name for of, name in OWN_PARAMETERS if of == action}


REFERENCE = json.loads((Path(__file__).parents[2] / "case" / "server" / "required.json").read_text())


def test_the_reference_says_what_every_action_needs() -> None:
    assert REFERENCE.keys() == SERVED.keys()


@pytest.mark.parametrize("action", sorted(SERVED))
def test_what_the_reference_calls_needed_is_needed(action: str) -> None:
    required: Any = sorted(parameter.name for parameter in SERVED[action].parameters if parameter.required)
    assert required == sorted(REFERENCE[action])
