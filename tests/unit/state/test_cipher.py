"""Sealed texts: what opens them, what does not, and what is said of it."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from kmsplan.kms.secret import SecretBytes
from kmsplan.state.cipher import PLAIN, Cipher, Codec, key_of, unwrap, wrap
from kmsplan.state.error import StateCorruptError, StateKeyError

numbers = itertools.count(1)
ONE = Cipher(SecretBytes(b"1" * 32), lambda size: next(numbers).to_bytes(size, "big"))
OTHER = Cipher(SecretBytes(b"2" * 32))
HEADER = {"format_version": 2, "lineage": "l", "serial": 7}


def opened(codec: Codec, content: bytes, **bound: Any) -> bytes:
    document = json.loads(content)
    return unwrap(codec, content, document, place="x.json", remedy="look", **{"kind": "snapshot", **bound})


def test_a_plain_text_is_kept_as_it_is() -> None:
    assert wrap(PLAIN, b"{}", HEADER, kind="snapshot") == b"{}"
    assert opened(PLAIN, b"{}") == b"{}"


def test_a_sealed_text_says_whose_it_is_and_which_key_opens_it() -> None:
    sealed = wrap(ONE, b'{"secret": 1}', HEADER, kind="snapshot")
    document = json.loads(sealed)
    assert {name: document[name] for name in HEADER} == HEADER
    assert key_of(document) == ONE.key_id != OTHER.key_id
    assert b"secret" not in sealed
    assert opened(ONE, sealed) == b'{"secret": 1}'


def test_the_same_text_is_sealed_differently_each_time() -> None:
    first, second = (wrap(ONE, b"{}", HEADER, kind="snapshot") for _ in range(2))
    assert first != second


@pytest.mark.parametrize("change", [{"serial": 8}, {"lineage": "m"}, {"format_version": 1}, {"more": 1}])
def test_it_does_not_open_under_another_header(change: dict[str, Any]) -> None:
    sealed = json.loads(wrap(ONE, b"{}", HEADER, kind="snapshot"))
    with pytest.raises(StateCorruptError, match=r"x\.json does not open with the right key: it was changed, or moved"):
        opened(ONE, json.dumps({**sealed, **change}).encode())


def test_it_does_not_open_as_something_else() -> None:
    with pytest.raises(StateCorruptError):
        opened(ONE, wrap(ONE, b"{}", HEADER, kind="snapshot"), kind="entry")


@pytest.mark.parametrize("sealed", ["", "AAAA", "no base64!", 7, None, ["AAAA"]])
def test_what_is_no_ciphertext_does_not_open(sealed: Any) -> None:
    document = {**HEADER, "key": ONE.key_id, "sealed": sealed}
    with pytest.raises(StateCorruptError):
        opened(ONE, json.dumps(document).encode())


@pytest.mark.parametrize(
    ("codec", "content", "said"),
    [
        (OTHER, wrap(ONE, b"{}", HEADER), rf"encrypted with the key {ONE.key_id}, and not with the key {OTHER.key_id}"),
        (PLAIN, wrap(ONE, b"{}", HEADER), rf"encrypted with the key {ONE.key_id}, and no key was named"),
        (ONE, b"{}", "is not encrypted, and the configuration says"),
    ],
    ids=["another key", "no key", "plain"],
)
def test_another_way_of_keeping_it_is_named_and_never_guessed(codec: Codec, content: bytes, said: str) -> None:
    with pytest.raises(StateKeyError, match=said) as caught:
        opened(codec, content)
    assert "kmsplan state rekey" in caught.value.remedy


def test_a_cipher_shows_nothing_of_its_key() -> None:
    assert "1111" not in repr(ONE) + str(vars(ONE))
