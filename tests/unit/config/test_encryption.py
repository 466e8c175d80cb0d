"""`state: {encryption: ...}`: where the key is found, and what is one."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest

from kmsplan.config.configuration import SecretReference
from kmsplan.config.diagnostic import ConfigurationError, Span
from kmsplan.config.encryption import state_key
from kmsplan.config.load import load as load_folder

if TYPE_CHECKING:
    from pathlib import Path

    from kmsplan.config.configuration import Configuration

SPAN = Span("kmsplan.yaml", 3, 5, 3, 9)
KEY = bytes(range(32))


def load(root: Path) -> Configuration:
    return load_folder(root, variables={}, variable_files=(), environ={})


def codes(root: Path, state: str) -> list[str]:
    (root / "kmsplan.yaml").write_text(f"kmsplan: 1\nstate: {state}\n")
    try:
        load(root)
    except ConfigurationError as error:
        return [diagnostic.code for diagnostic in error.diagnostics]
    return []


@pytest.mark.parametrize(
    "content",
    [KEY, base64.b64encode(KEY), base64.b64encode(KEY) + b"\n", b"x" * 31 + b"\n"],
    ids=["raw", "base64", "a line of base64", "raw that ends in a line feed"],
)
def test_a_key_is_32_bytes_or_their_base64(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "key").write_bytes(content)
    found = state_key(SecretReference("file", str(tmp_path / "key"), SPAN), {})
    assert found.reveal() == (KEY if KEY[:4] in content or content[:4] == b"AAEC" else content)


def test_a_key_comes_from_the_environment() -> None:
    found = state_key(SecretReference("env", "STATE_KEY", SPAN), {"STATE_KEY": base64.b64encode(KEY).decode()})
    assert found.reveal() == KEY


@pytest.mark.parametrize("content", ["hunter2", "hunter2" * 20, base64.b64encode(KEY[:16]).decode(), "é" * 40])
def test_anything_else_is_refused_and_never_shown(content: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        state_key(SecretReference("env", "STATE_KEY", SPAN), {"STATE_KEY": content})
    (diagnostic,) = caught.value.diagnostics
    assert (diagnostic.code, diagnostic.span) == ("K608", SPAN)
    assert "STATE_KEY holds no key" in diagnostic.detail
    assert content not in repr(diagnostic)


def test_it_stands_beside_a_store_or_alone(tmp_path: Path) -> None:
    assert codes(tmp_path, "{encryption: {env: STATE_KEY}}") == []
    assert codes(tmp_path, "{local: {path: there}, encryption: {file: key}}") == []
    found = load(tmp_path)
    assert found.state_path == tmp_path / "there"
    assert found.encryption is not None
    assert found.encryption.name == str(tmp_path / "key")


def test_two_stores_are_one_too_many(tmp_path: Path) -> None:
    two = "{local: {path: there}, postgres: {url: {env: X}, name: a}}"
    assert codes(tmp_path, two) == ["K208"]


def test_a_key_is_never_written_literally(tmp_path: Path) -> None:
    assert codes(tmp_path, "{encryption: hunter2}") == ["K601"]


def test_how_a_state_is_kept_makes_no_plan_stale(tmp_path: Path) -> None:
    codes(tmp_path, "{local: {path: state}}")
    plain = load(tmp_path).digest
    codes(tmp_path, "{local: {path: state}, encryption: {env: STATE_KEY}}")
    assert load(tmp_path).digest == plain
