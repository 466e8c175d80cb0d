"""Text: what is written means what it says, and comments stay comments."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from kmsplan.adopt.engine import engine_section, known_secrets
from kmsplan.adopt.files import files, snippet
from kmsplan.adopt.inventory import Adoptable, Inventory, LeftOut
from kmsplan.config.configuration import EngineSettings, SecretReference
from kmsplan.config.diagnostic import Span
from kmsplan.config.load import load
from kmsplan.resource.address import Address

ENGINE = {"embedded": {"path": "/srv/engine"}}
SPAN = Span("kmsplan.yaml", 1, 1, 1, 1)


def one(address: str, identity: str, **written: object) -> Adoptable:
    return Adoptable(address=Address(address), identity=identity, written=written)


CORE = one("instance.core", "kst-1", type="software")
NOTHING = Inventory(objects=(), left_out=())


def test_each_section_stands_in_its_file_and_every_object_in_an_import_block() -> None:
    objects = (one("default_key.default", "key-2"), CORE, one("key.a", "key-1", instance="core"))
    found = {
        name: yaml.safe_load(text) for name, text in files(Inventory(objects=objects, left_out=()), ENGINE).items()
    }
    assert found == {
        "kmsplan.yaml": {"kmsplan": 1, "engine": ENGINE, "defaults": {"key": {"deletion_window": "30d"}}},
        "instances.yaml": {"instances": {"core": {"type": "software"}}},
        "keys.yaml": {"default_key": {}, "keys": {"a": {"instance": "core"}}},
        "import.yaml": {
            "import": [
                {"address": "default_key.default", "identity": "key-2"},
                {"address": "instance.core", "identity": "kst-1"},
                {"address": "key.a", "identity": "key-1"},
            ]
        },
    }


def test_an_owner_that_gives_an_object_up_is_named_in_its_block() -> None:
    owned = Adoptable(address=Address("instance.core"), identity="kst-1", written={"type": "software"}, owner="9a9a")
    text = files(Inventory(objects=(owned,), left_out=()), ENGINE)["import.yaml"]
    assert "- {address: instance.core, identity: kst-1, owner: 9a9a}\n" in text


def test_of_an_empty_kms_a_valid_configuration_is_written(tmp_path: Path) -> None:
    for name, text in files(NOTHING, ENGINE).items():
        (tmp_path / name).write_text(text)
    assert load(tmp_path, variables={}, variable_files=(), environ={}).desired == {}


def test_words_of_others_cannot_leave_their_comment() -> None:
    hostile = LeftOut("alias/x\nkeys: {}", "it says\r\nimport: []\u2028\u202e\x85")
    inventory = Inventory(objects=(), left_out=(hostile,), todo=("a\nb: c",))
    for text in files(inventory, {}).values():
        assert "keys" not in (yaml.safe_load(text) or {})
        assert text.isascii()
    assert "Left out, 1:\n# - alias/x\\nkeys: {}" in files(inventory, {})["import.yaml"]


def test_text_is_readable_unless_it_would_turn_the_line_around() -> None:
    assert "description: für 密钥\n" in snippet(one("key.a", "key-1", description="für 密钥", tags={"a": "b"}))
    turned = snippet(one("key.a", "key-1", description="\u202eü"))
    assert turned.isascii()
    assert yaml.safe_load(turned)["keys"]["a"]["description"] == "\u202eü"


def test_one_value_in_two_places_is_written_twice_and_without_an_anchor() -> None:
    tags = {"team": "payments"}
    assert "&" not in snippet(one("key.a", "key-1", tags=tags, policy={"a": tags, "b": tags}))


def test_lines_are_escaped_in_quotes_so_that_a_value_stays_on_its_line() -> None:
    assert 'description: "two\\nlines"' in snippet(one("key.a", "key-1", description="two\nlines", tags={"a": "b"}))


@pytest.mark.parametrize(
    ("settings", "section"),
    [
        (EngineSettings(provider="embedded", path=Path("/e")), {"embedded": {"path": "/e"}}),
        (
            EngineSettings(
                provider="embedded",
                path=Path("/e${x}"),
                seal=SecretReference("env", "PASSPHRASE", SPAN),
                seal_kind="passphrase",
                postgres=SecretReference("file", "/run/dsn", SPAN),
            ),
            {
                "embedded": {
                    "path": "/e$${x}",
                    "seal": {"passphrase": {"env": "PASSPHRASE"}},
                    "postgres": {"file": "/run/dsn"},
                }
            },
        ),
        (
            EngineSettings(
                provider="embedded", path=Path("/e"), seal=SecretReference("file", "/k", SPAN), seal_kind="file"
            ),
            {"embedded": {"path": "/e", "seal": {"file": "/k"}}},
        ),
        (
            EngineSettings(
                provider="embedded",
                path=Path("/e"),
                seal=SecretReference("env", "PIN", SPAN),
                seal_kind="hsm",
                options={"hsm": {"module": "/m.so", "token": "t"}},
            ),
            {"embedded": {"path": "/e", "seal": {"hsm": {"module": "/m.so", "token": "t", "pin": {"env": "PIN"}}}}},
        ),
        (
            EngineSettings(provider="alibaba", options={"region": "cn-hangzhou", "ca_file": "/ca.pem"}),
            {"alibaba": {"region": "cn-hangzhou", "ca_file": "/ca.pem"}},
        ),
    ],
)
def test_the_same_kms_is_reached_from_anywhere(
    settings: EngineSettings, section: dict[str, object], tmp_path: Path
) -> None:
    assert engine_section(settings) == section
    if settings.provider == "embedded":
        for name, text in files(NOTHING, section).items():
            (tmp_path / name).write_text(text)
        again = load(tmp_path, variables={}, variable_files=(), environ={}).engine
        assert (again.path, again.seal_kind) == (settings.path, settings.seal_kind)


def test_a_configuration_tells_where_it_finds_what_it_takes_to_reach_its_instances(tmp_path: Path) -> None:
    (tmp_path / "kmsplan.yaml").write_text(
        "kmsplan: 1\ninstances:\n"
        "  a: {type: hardware, hsm: {module: /m.so, token: t, pin: {env: PIN}}}\n"
        "  b: {type: external, proxy: {url: 'https://x', access_key: {id: AKIDEXAMPLE234567, secret: {env: S}}}}\n"
    )
    found = known_secrets(load(tmp_path, variables={}, variable_files=(), environ={}))
    assert [(place, pin.name) for place, pin in found.pins.items()] == [(("/m.so", "t"), "PIN")]
    assert [(place, key.secret.name) for place, key in found.access_keys.items()] == [
        (("https://x", "/kms/xks/v1"), "S")
    ]
