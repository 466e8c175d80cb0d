from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from kmsplan.config.configuration import Configuration
from kmsplan.resource.address import Address, kind_of
from kmsplan.resource.kinds import KINDS

Load = Callable[..., Configuration]
INSTANCES = """
instances:
  core: {type: software}
  vault: {type: hardware, hsm: {module: /m.so, token: t, pin: {env: PIN}}}
"""


def attributes(configuration: Configuration, address: str) -> Any:
    return configuration.desired[Address(address)].attributes


def test_a_key_that_says_little_has_every_recorded_attribute(loaded: Load) -> None:
    found = loaded(INSTANCES + "keys: {orders: {instance: core}}\n")
    assert attributes(found, "key.orders") == {
        "instance": "instance.core",
        "spec": "Aliyun_AES_256",
        "usage": "ENCRYPT/DECRYPT",
        "origin": "Aliyun_KMS",
        "storage_mechanism": None,
        "external_key": None,
        "hsm_object": None,
        "description": "",
        "enabled": True,
        "rotation": None,
        "tags": {},
        "policy": None,
        "deletion_protection": True,
        "deletion_window": 30,
        "unused_for": None,
        "used_by": None,
        "on_replace": "refuse",
        "grace": None,
        "material": None,
        "imported": None,
        "min_versions": None,
        "versions": None,
    }


def test_every_object_has_exactly_the_recorded_attributes_of_its_kind(loaded: Load) -> None:
    found = loaded(
        INSTANCES + "keys: {orders: {instance: core, aliases: [a]}}\naliases: {b: orders}\ndefault_key: {}\n"
        "service_keys: {oss: }\n"
    )
    assert {kind_of(address) for address in found.desired} == set(KINDS)
    for address, declared in found.desired.items():
        recorded = {item.name for item in KINDS[kind_of(address)].attributes if item.recorded}
        assert set(declared.attributes) == recorded


def test_values_are_canonical(loaded: Load) -> None:
    found = loaded(
        INSTANCES + "keys: {orders: {instance: core, rotation: 604800s, deletion_window: 168h, unused_for: 90d}}\n"
        "service_keys: {}\n"
    )
    key = attributes(found, "key.orders")
    assert (key["rotation"], key["deletion_window"], key["unused_for"]) == (604_800, 7, 7_776_000)


def test_whole_decimals_are_whole_numbers(loaded: Load) -> None:
    found = loaded("instances: {core: {type: software, spec: 2000.0, key_quota: 500.0}}\n")
    core = attributes(found, "instance.core")
    assert (repr(core["spec"]), repr(core["key_quota"])) == ("2000", "500")


@pytest.mark.parametrize(
    ("written", "usage"),
    [
        ("{spec: RSA_2048}", "SIGN/VERIFY"),
        ("{spec: RSA_2048, usage: ENCRYPT/DECRYPT}", "ENCRYPT/DECRYPT"),
        ("{spec: HMAC_SHA_256}", "GENERATE_MAC/VERIFY_MAC"),
        ("{}", "ENCRYPT/DECRYPT"),
    ],
)
def test_the_usage_follows_the_spec(loaded: Load, written: str, usage: str) -> None:
    found = loaded(INSTANCES + f"defaults: {{key: {{instance: core}}}}\nkeys: {{orders: {written}}}\n")
    assert attributes(found, "key.orders")["usage"] == usage


def test_hardware_keys_are_kept_inside_unless_they_say_otherwise(loaded: Load) -> None:
    found = loaded(
        INSTANCES + "keys:\n  a: {instance: vault}\n  b: {instance: vault, storage_mechanism: HsmEncryptedDatabase}\n"
    )
    assert attributes(found, "key.a")["storage_mechanism"] == "HsmInternal"
    assert attributes(found, "key.b")["storage_mechanism"] == "HsmEncryptedDatabase"


def test_defaults_are_overridden_and_tags_joined(loaded: Load) -> None:
    found = loaded("""
defaults:
  instance: {type: software, tags: {team: a}}
  key: {instance: core, deletion_window: 10d, rotation: 90d, tags: {team: a, env: dev}}
instances: {core: {}, other: {tags: {team: b}}}
keys:
  plain: {}
  empty:
  own: {deletion_window: 20d, rotation: null, tags: {team: b, data: pii}, instance: other}
""")
    plain, own = attributes(found, "key.plain"), attributes(found, "key.own")
    assert attributes(found, "key.empty") == plain
    assert (plain["deletion_window"], plain["rotation"], plain["instance"]) == (10, 90 * 86_400, "instance.core")
    assert plain["tags"] == {"team": "a", "env": "dev"}
    assert (own["deletion_window"], own["rotation"], own["instance"]) == (20, None, "instance.other")
    assert own["tags"] == {"team": "b", "env": "dev", "data": "pii"}
    assert attributes(found, "instance.other")["tags"] == {"team": "b"}


def test_aliases_are_objects_that_stand_at_their_place(loaded: Load) -> None:
    found = loaded(INSTANCES + "keys:\n  orders:\n    instance: core\n    aliases: [a, team/b]\naliases: {c: orders}\n")
    for name, line, column in (("a", 9, 15), ("team/b", 9, 18), ("c", 10, 11)):
        declared = found.desired[Address(f"alias.{name}")]
        assert declared.attributes == {"key": "key.orders"}
        assert (declared.span.line, declared.span.column) == (line, column)


def test_aliases_from_a_variable_stand_where_their_key_does(loaded: Load) -> None:
    found = loaded(
        "variables: {names: {default: [a, b]}}\n"
        + INSTANCES
        + 'keys: {orders: {instance: core, aliases: "${var.names}"}}\n'
    )
    assert found.desired[Address("alias.b")].span == found.desired[Address("key.orders")].span


def test_an_alias_of_the_default_key_points_at_it(loaded: Load) -> None:
    found = loaded("default_key: {enabled: true, aliases: [default]}\n")
    assert attributes(found, "alias.default") == {"key": "default_key.default"}


def test_where_a_pin_is_found_is_beside_the_objects(loaded: Load) -> None:
    found = loaded(INSTANCES)
    assert attributes(found, "instance.vault")["hsm"] == {"module": "/m.so", "token": "t"}
    assert [(address, pin.source, pin.name) for address, pin in found.pins.items()] == [
        ("instance.vault", "env", "PIN")
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("defaults: {key: {spec: nonsense}}\nkeys: {a: {instance: core, usage: SIGN/VERIFY}}\n", ["K203"]),
        ("defaults: {key: [x]}\nkeys: {a: {usage: SIGN/VERIFY}}\n", ["K202"]),
        ("keys: {a: {instance: core, spec: nonsense, usage: SIGN/VERIFY, rotation: 90d}}\n", ["K203"]),
        ("keys: {a: nonsense}\naliases: {x: a}\n", ["K202"]),
        ("keys: {a: {instance: [core]}}\n", ["K202"]),
        ("keys: {a: {instance: core, rotation: 1d, spec: RSA_2048}}\n", ["K403", "K404"]),
        ("keys: {a: {instance: cor, rotation: 1d, usage: SIGN/VERIFY}}\n", ["K501", "K404", "K402"]),
        ('engine: {alibaba: {region: "${var.x}"}}\n', ["K302"]),
        ('instances: {core: {type: hardware, hsm: "${var.x}"}}\n', ["K302"]),
        ('keys: {"${var.x}": {instance: core}, "${var.x}-2": {for_each: "${var.x}"}}\n', ["K302", "K302"]),
        ('keys: {"k${each.value.zone}-${each.key}": {for_each: {a: {zone: 1}, b: {}}, instance: core}}\n', ["K306"]),
        ("instances: {core: nonsense}\nkeys: {a: {instance: core}}\n", ["K202"]),
    ],
)
def test_one_mistake_is_not_told_twice_and_hides_no_other(
    codes: Callable[..., list[str]], text: str, expected: list[str]
) -> None:
    assert codes(text if "instances" in text else INSTANCES + text) == expected
