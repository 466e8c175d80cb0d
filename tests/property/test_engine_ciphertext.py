"""Laws of ciphertexts: exactly the right context opens them, nothing else does, whatever the bytes."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kmsplan.engine import ciphertext
from kmsplan.engine.framing import framed
from kmsplan.engine.protection.protocol import InvalidCiphertextError
from kmsplan.engine.protection.softkey import AesHandle
from kmsplan.kms.naming import key_id, key_version_id
from kmsplan.kms.secret import SecretBytes

HANDLE = AesHandle(SecretBytes(bytes(32)), os.urandom)
VERSION = key_version_id(key_id(bytes(8), 0.0), bytes(10))
CONTEXTS = st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=4)


@given(st.binary(max_size=200), CONTEXTS, CONTEXTS)
def test_a_ciphertext_opens_under_an_equal_context_and_no_other(
    plaintext: bytes, context: dict[str, str], other: dict[str, str]
) -> None:
    sealed = HANDLE.encrypt(plaintext, ciphertext.associated_data(VERSION, context))
    key, version, rest = ciphertext.split(ciphertext.join(VERSION, sealed))
    assert (key, version) == (VERSION[:25], VERSION)
    reordered = dict(reversed(context.items()))
    assert HANDLE.decrypt(rest, ciphertext.associated_data(version, reordered)) == plaintext
    if other != context:
        with pytest.raises(InvalidCiphertextError):
            HANDLE.decrypt(rest, ciphertext.associated_data(version, other))


@given(CONTEXTS, CONTEXTS)
def test_what_a_ciphertext_is_bound_to_names_its_version(context: dict[str, str], other: dict[str, str]) -> None:
    next_version = key_version_id(VERSION[:25], bytes(range(10)))
    assert ciphertext.associated_data(VERSION, context) != ciphertext.associated_data(next_version, other)


@given(st.binary(max_size=200))
def test_any_bytes_are_split_or_refused(blob: bytes) -> None:
    try:
        _, version, sealed = ciphertext.split(blob)
    except InvalidCiphertextError:
        return
    assert ciphertext.join(version, sealed) == blob


@given(st.lists(st.binary(max_size=6), max_size=5), st.lists(st.binary(max_size=6), max_size=5))
def test_framing_is_injective(first: list[bytes], second: list[bytes]) -> None:
    assert (framed(*first) == framed(*second)) is (first == second)
