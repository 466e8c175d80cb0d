from __future__ import annotations

import pytest

from kmsplan.config.document import HOLE
from kmsplan.config.template import Scope, TemplateError

VARIABLES = {"env": "dev", "count": 3, "on": True, "names": ["a"], "none": None, "broken": HOLE}
SCOPE = Scope(VARIABLES, ("acme", {"zone": "eu", "size": 5}))


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("${var.env}", "dev"),
        ("${var.count}", 3),
        ("${var.on}", True),
        ("${var.names}", ["a"]),
        ("${var.none}", None),
        ("${each.key}", "acme"),
        ("${each.value}", {"zone": "eu", "size": 5}),
        ("${each.value.size}", 5),
        ("a-${var.env}-${each.key}", "a-dev-acme"),
        ("${var.env}${var.env}", "devdev"),
        ("n${var.count} ${var.on}", "n3 true"),
        ("${var.broken}", HOLE),
        ("x ${var.broken}", HOLE),
        ("$${var.env}", "${var.env}"),
        ("$$${var.env}", "$${var.env}"),
        ("cost: 5$, $x, $$", "cost: 5$, $x, $$"),
        ("", ""),
    ],
)
def test_references_are_filled_in_and_a_lone_one_keeps_its_type(text: str, meant: object) -> None:
    assert SCOPE.fill(text) == meant


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("${", "K305"),
        ("${}", "K305"),
        ("${var.env", "K305"),
        ("${var}", "K305"),
        ("${var.}", "K305"),
        ("${var.env.x}", "K305"),
        ("${ var.env }", "K305"),
        ("${var.env + 1}", "K305"),
        ("${each}", "K305"),
        ("${each.key.x}", "K305"),
        ("${each.value.}", "K305"),
        ("${env}", "K305"),
        ("${var.${var.env}}", "K305"),
        ("${var.evn}", "K302"),
        ("${each.value.zoen}", "K306"),
        ("x${var.names}", "K306"),
        ("x${var.none}", "K306"),
        ("x${each.value}", "K306"),
    ],
)
def test_what_is_no_reference_is_refused(text: str, code: str) -> None:
    with pytest.raises(TemplateError) as caught:
        SCOPE.fill(text)
    assert caught.value.code == code


def test_near_misses_are_named() -> None:
    with pytest.raises(TemplateError, match="Did you mean 'env'"):
        SCOPE.fill("${var.evn}")
    with pytest.raises(TemplateError, match="Did you mean 'zone'"):
        SCOPE.fill("${each.value.zoen}")


def test_each_has_a_value_only_inside_for_each() -> None:
    with pytest.raises(TemplateError, match="for_each"):
        Scope(VARIABLES).fill("${each.key}")
    with pytest.raises(TemplateError, match="It is the text 'x'"):
        Scope(VARIABLES, ("x", "x")).fill("${each.value.zone}")
