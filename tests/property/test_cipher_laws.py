"""Laws of sealed states: what was sealed opens as it was, and nothing else opens at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kmsplan.kms.secret import SecretBytes
from kmsplan.state.cipher import Cipher
from kmsplan.state.error import StateError
from kmsplan.state.journal import encode, read, recode, seal
from kmsplan.state.record import Recorded
from kmsplan.state.snapshot import Snapshot
from kmsplan.state.snapshot import decode as decode_snapshot
from kmsplan.state.snapshot import encode as encode_snapshot
from tests.property.test_journal_laws import LINEAGE, entries_of, stories

keys = st.binary(min_size=32, max_size=32).map(lambda key: Cipher(SecretBytes(key)))
PATH = Path("state.json")


@given(keys, st.binary(max_size=200), st.binary(max_size=50))
def test_what_was_sealed_opens(cipher: Cipher, content: bytes, aad: bytes) -> None:
    sealed = cipher.seal(content, aad)
    assert cipher.open(sealed, aad) == content


@given(keys, st.binary(max_size=60), st.binary(max_size=20), st.data())
def test_one_flipped_bit_anywhere_and_it_does_not_open(
    cipher: Cipher, content: bytes, aad: bytes, data: st.DataObject
) -> None:
    sealed = bytearray(cipher.seal(content, aad))
    bit = data.draw(st.integers(0, len(sealed) * 8 - 1))
    sealed[bit // 8] ^= 1 << bit % 8
    assert cipher.open(bytes(sealed), aad) is None


@given(keys, keys, st.binary(max_size=60), st.binary(max_size=20), st.binary(max_size=20))
def test_another_key_or_another_binding_opens_nothing(
    cipher: Cipher, other: Cipher, content: bytes, aad: bytes, elsewhere: bytes
) -> None:
    sealed = cipher.seal(content, aad)
    assert (cipher.open(sealed, elsewhere) is not None) == (aad == elsewhere)
    assert (other.open(sealed, aad) is not None) == (cipher.key_id == other.key_id)


@given(keys, st.integers(0, 10**6), st.integers(0, 10**6), st.data())
def test_a_snapshot_with_one_changed_byte_is_refused(
    cipher: Cipher, serial: int, sequence: int, data: st.DataObject
) -> None:
    snapshot = Snapshot(Recorded(lineage=LINEAGE, serial=serial, environment="fake/1"), sequence)
    content = encode_snapshot(snapshot, cipher)
    assert decode_snapshot(content, path=PATH, remedy="", codec=cipher) == snapshot
    changed = bytearray(content)
    changed[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(StateError):
        decode_snapshot(bytes(changed), path=PATH, remedy="", codec=cipher)


@given(keys, keys, stories)
def test_a_journal_is_the_same_under_every_key(
    cipher: Cipher, other: Cipher, story: list[tuple[str, dict[str, Any]]]
) -> None:
    entries = entries_of(story)
    check, lines = LINEAGE, []
    for entry in entries:
        line, check = seal(encode(entry, lineage=LINEAGE, codec=cipher), check)
        assert json.loads(line).keys() == {"sequence", "key", "sealed", "check"}
        lines.append(line)
    content = b"".join(lines)
    assert list(read(content, path=PATH, lineage=LINEAGE, codec=cipher).entries) == entries
    again = recode(content, path=PATH, lineage=LINEAGE, before=cipher, after=other)
    assert list(read(again, path=PATH, lineage=LINEAGE, codec=other).entries) == entries
