from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from kmsplan.config.configuration import Configuration
from kmsplan.resource.address import Address

Load = Callable[..., Configuration]
CORE = "instances: {core: {type: software}}\n"


def attributes(configuration: Configuration, address: str) -> Any:
    return configuration.desired[Address(address)].attributes


def test_a_list_makes_one_key_per_element(loaded: Load) -> None:
    found = loaded(f"""{CORE}
keys:
  "tenant-${{each.key}}":
    for_each: [acme, globex]
    instance: core
    description: of ${{each.value}}
    aliases: ["tenant/${{each.key}}"]
""")
    assert set(found.desired) == {
        *("instance.core", "key.tenant-acme", "key.tenant-globex", "alias.tenant/acme", "alias.tenant/globex"),
    }
    assert attributes(found, "key.tenant-acme")["description"] == "of acme"
    assert attributes(found, "alias.tenant/globex") == {"key": "key.tenant-globex"}


def test_a_mapping_gives_each_element_its_value(loaded: Load) -> None:
    found = loaded(f"""{CORE}
keys:
  "${{each.key}}-db":
    for_each:
      eu: {{period: 30d, tags: {{zone: eu}}, protected: false}}
      us: {{period: 90d, tags: {{}}, protected: true}}
    instance: core
    rotation: ${{each.value.period}}
    tags: ${{each.value.tags}}
    deletion_protection: ${{each.value.protected}}
""")
    eu, us = attributes(found, "key.eu-db"), attributes(found, "key.us-db")
    assert (eu["rotation"], eu["tags"], eu["deletion_protection"]) == (30 * 86_400, {"zone": "eu"}, False)
    assert (us["rotation"], us["tags"], us["deletion_protection"]) == (90 * 86_400, {}, True)


def test_for_each_takes_a_variable(loaded: Load) -> None:
    text = f"""{CORE}
variables: {{tenants: {{type: list}}}}
keys: {{"t-${{each.key}}": {{for_each: "${{var.tenants}}", instance: core}}}}
"""
    assert set(loaded(text, variables={"tenants": "[a, b]"}).desired) == {"instance.core", "key.t-a", "key.t-b"}
    assert set(loaded(text, variables={"tenants": "[]"}).desired) == {"instance.core"}


def test_names_in_every_section_take_variables(loaded: Load) -> None:
    found = loaded("""
variables: {env: {default: dev}, all: {default: {tags: {a: b}}}}
instances: {"${var.env}-core": {type: software}}
keys: {"${var.env}-orders": {instance: "${var.env}-core"}}
aliases: {"${var.env}/orders": "${var.env}-orders"}
service_keys: {oss: "${var.all}"}
moved: [{from: "key.old", to: "key.${var.env}-orders"}]
""")
    assert set(found.desired) == {"instance.dev-core", "key.dev-orders", "alias.dev/orders", "service_key.oss"}
    assert attributes(found, "key.dev-orders")["instance"] == "instance.dev-core"
    assert attributes(found, "service_key.oss") == {"tags": {"a": "b"}}
    assert found.moved == {"key.old": "key.dev-orders"}


def test_a_dollar_that_is_no_reference_stays(loaded: Load) -> None:
    found = loaded(f'{CORE}keys: {{orders: {{instance: core, description: "5$ or $${{x}}"}}}}\n')
    assert attributes(found, "key.orders")["description"] == "5$ or ${x}"


def test_every_key_made_by_for_each_stands_where_it_is_written(loaded: Load) -> None:
    found = loaded(f"""{CORE}
keys:
  "t-${{each.key}}": {{for_each: [a, b], instance: core, aliases: ["x/${{each.key}}"]}}
""")
    spans: dict[str, tuple[int, int]] = {
        name: (found.desired[Address(name)].span.line, found.desired[Address(name)].span.column)
        for name in found.desired
    }
    assert spans["key.t-a"] == spans["key.t-b"] == (5, 3)
    assert spans["alias.x/a"] == spans["alias.x/b"] == (5, 65)


@pytest.mark.parametrize(
    ("attribute", "code"),
    [
        ('description: "${var.nobody}"', "K302"),
        ('rotation: "${var.number}"', "K202"),
        ('tags: {a: "${each.key}"}', "K306"),
        ('aliases: ["${var.number}"]', "K202"),
        ('policy: {"${var.number}": 1}', "K306"),
    ],
)
def test_a_bad_reference_is_the_only_complaint_about_its_attribute(
    codes: Callable[..., list[str]], attribute: str, code: str
) -> None:
    text = f"variables: {{number: {{default: 5}}}}\n{CORE}keys: {{orders: {{instance: core, {attribute}}}}}\n"
    assert codes(text) == [code]


def test_two_bad_references_of_one_attribute_are_both_told(codes: Callable[..., list[str]]) -> None:
    text = f'{CORE}keys: {{orders: {{instance: core, tags: {{a: "${{var.x}}", b: "${{var.y}}"}}}}}}\n'
    assert codes(text) == ["K302", "K302"]
