"""docs/providers.md says what the provider does: its permissions, its settings, its rates."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

from kmsplan.config.cloud import ALIBABA_SCHEMA
from kmsplan.kms.backoff import FIRST_DELAY, LONGEST_DELAY, TRIES
from kmsplan.kms.settling import OPERATIONS
from kmsplan.provider.alibaba.limiter import RATES
from kmsplan.provider.alibaba.request import ACTIONS
from kmsplan.server.action.table import ROWS

ROOT = Path(__file__).parents[4]
PAGE = (ROOT / "docs" / "providers.md").read_text()
PROVIDER = ROOT / "kmsplan" / "provider" / "alibaba"
ASKING = ("identity", "importing", "survey")
"""The modules that name the actions they call; `request` makes the others of operations."""
SIGNING = "signing"
"""The module that uses a key, for whoever approves a plan with it."""
NEEDS_NO_PERMISSION = {"GetCallerIdentity"}
FOR_IMPORTS = {"GetParametersForImport", "ImportKeyMaterial"}


def policies() -> tuple[dict[str, Any], dict[str, Any]]:
    reading, writing = (json.loads(text) for text in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL))
    return reading, writing


def permitted(policy: dict[str, Any]) -> list[str]:
    (statement,) = policy["Statement"]
    assert (policy["Version"], statement["Effect"], statement["Resource"]) == ("1", "Allow", "*")
    return list(statement["Action"])


def named_actions() -> set[str]:
    """The reading actions that stand as constants in the modules that ask; an answer's fields have such names, too."""
    trees = [ast.parse((PROVIDER / f"{name}.py").read_text()) for name in ASKING]
    constants = {node.value for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    return {name for name in map(str, constants) if name in ROWS and name.startswith(("Describe", "Get", "List"))}


def planned_actions() -> set[str]:
    """The actions of the operations that a plan may hold: whatever the planner and the attribute tables make."""
    files = [path for package in ("plan", "resource") for path in (ROOT / "kmsplan" / package).glob("*.py")]
    calls = (
        node.func for path in files for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)
    )
    made = {getattr(call, "id", getattr(call, "attr", "")) for call in calls} & OPERATIONS.keys()
    return {ACTIONS.get(name, name) for name in made}


def test_only_the_modules_that_ask_and_the_table_of_requests_call_an_action() -> None:
    calling = {
        path.stem for path in PROVIDER.glob("*.py") if re.search(r"\.ask\(|\.pages\(|\.call\(", path.read_text())
    }
    assert calling - {"reads", "provider"} <= {*ASKING, SIGNING}


def test_a_signature_needs_exactly_the_permissions_that_are_said_of_it() -> None:
    said = PAGE.partition("`kmsplan plan sign --kms-key`")[2].partition("\n\n")[0]
    text = (PROVIDER / f"{SIGNING}.py").read_text()
    called = {*re.findall(r'_answer\("(\w+)"', text), *re.findall(r'\.ask\("(\w+)"', text)}
    called |= set(re.findall(r'\.pages\(\s*"(\w+)"', text))
    assert sorted(re.findall(r"`kms:(\w+)`", said)) == sorted(called)


def test_a_plan_needs_exactly_the_permissions_of_the_first_policy() -> None:
    actions = named_actions() - NEEDS_NO_PERMISSION - FOR_IMPORTS
    assert permitted(policies()[0]) == sorted(f"kms:{action}" for action in actions)


def test_an_apply_needs_exactly_those_of_the_second_as_well() -> None:
    actions = (planned_actions() | FOR_IMPORTS) - set(ACTIONS.values())
    assert permitted(policies()[1]) == sorted(f"kms:{action}" for action in actions)


def test_no_policy_lets_kmsplan_use_a_key() -> None:
    allowed = {action for policy in policies() for action in permitted(policy)}
    assert not [action for action in allowed if re.search(r"crypt|Sign|Verify|Mac|DataKey|\*", action)]


def test_every_setting_has_its_row() -> None:
    settings = PAGE.partition("| setting | meaning |")[2].partition("\n\n")[0]
    assert re.findall(r"^\| `(\w+)` \|", settings, re.MULTILINE) == list(ALIBABA_SCHEMA["properties"])


def test_the_rates_are_the_tables() -> None:
    assert dict(re.findall(r"^\| `([\w ]+)` \| (\d+) \|$", PAGE, re.MULTILINE)) == {
        name: str(rate) for name, rate in RATES.items()
    }


def test_the_retries_are_the_tables() -> None:
    assert f"up to {TRIES} times" in PAGE
    assert f"from {FIRST_DELAY} s to {LONGEST_DELAY:.0f} s" in PAGE
