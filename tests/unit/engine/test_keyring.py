from __future__ import annotations

import os
from typing import Any

import pytest

from kmsplan.engine.error import MaterialCorruptError
from kmsplan.engine.framing import framed
from kmsplan.engine.keyring import FIRST_TERM, Binding, Keyring, new_term
from kmsplan.kms.secret import SecretBytes

ROOT = SecretBytes(bytes(range(32)))
HERE = Binding(table="material", row="v", key_id="k", version_id="v", spec="s", usage="u", generation=1)


def _keyring(engine_id: str = "engine", root: SecretBytes = ROOT) -> Keyring:
    return Keyring(engine_id, root, {FIRST_TERM: new_term(engine_id, root, os.urandom)}, os.urandom)


def test_a_secret_opens_where_it_was_wrapped() -> None:
    keyring = _keyring()
    term, wrapped = keyring.wrap(HERE, SecretBytes(b"secret"))
    assert keyring.unwrap(HERE, term, wrapped).reveal() == b"secret"
    assert b"secret" not in wrapped
    assert keyring.wrap(HERE, SecretBytes(b"secret")) != (term, wrapped)


@pytest.mark.parametrize("field", Binding._fields)
def test_a_secret_opens_nowhere_else(field: str) -> None:
    keyring = _keyring()
    term, wrapped = keyring.wrap(HERE, SecretBytes(b"secret"))
    changed: dict[str, Any] = {field: 2 if field == "generation" else "other"}
    elsewhere = HERE._replace(**changed)
    with pytest.raises(MaterialCorruptError, match="newest backup"):
        keyring.unwrap(elsewhere, term, wrapped)


def test_a_secret_opens_in_its_engine_only() -> None:
    term = new_term("engine", ROOT, os.urandom)
    wrapped = Keyring("engine", ROOT, {FIRST_TERM: term}, os.urandom).wrap(HERE, SecretBytes(b"secret"))
    with pytest.raises(MaterialCorruptError):
        _keyring("other").unwrap(HERE, *wrapped)
    with pytest.raises(MaterialCorruptError, match="keyring key 1"):
        Keyring("other", ROOT, {FIRST_TERM: term}, os.urandom)
    with pytest.raises(MaterialCorruptError, match="keyring key 1"):
        Keyring("engine", SecretBytes(bytes(32)), {FIRST_TERM: term}, os.urandom)


def test_an_unknown_term_is_damage() -> None:
    keyring = _keyring()
    _, wrapped = keyring.wrap(HERE, SecretBytes(b"secret"))
    with pytest.raises(MaterialCorruptError):
        keyring.unwrap(HERE, 2, wrapped)


def test_framing_tells_where_each_field_ends() -> None:
    assert framed(b"ab", b"c") != framed(b"a", b"bc")
    assert framed(b"a") != framed(b"a", b"")
    assert framed(b"x") == b"\0\0\0\1x"
