from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import Any

import orjson
import pytest

from kmsplan.approval.error import SignatureFileError
from kmsplan.approval.signature import DOMAIN, NAME, Signature, dump, load
from tests.unit.approval.conftest import ADA, BOB, EVE

FILE = dump([ADA.sign(), BOB.sign()])


def refused(data: bytes) -> str:
    with pytest.raises(SignatureFileError) as caught:
        load(data, "x.plan.sig")
    return str(caught.value)


def rewritten(**changes: Any) -> bytes:
    """As somebody would who knows the format and not the key."""
    return orjson.dumps(
        {**json.loads(dump([ADA.sign()])), **changes}, option=orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE
    )


def test_signatures_come_back_as_they_were() -> None:
    assert load(FILE, "x") == (ADA.sign(), BOB.sign())
    assert load(b"", "x") == ()


def test_files_of_several_signers_are_joined_by_putting_one_behind_the_other() -> None:
    assert dump([ADA.sign()]) + dump([BOB.sign()]) == FILE


def test_every_byte_counts() -> None:
    for place in range(len(FILE)):
        for bit in (0x01, 0x20, 0x80):
            edited = bytearray(FILE)
            edited[place] ^= bit
            assert "x.plan.sig was edited or damaged" in refused(bytes(edited)), (place, bit)


def test_a_byte_more_or_less_is_refused() -> None:
    for data in (FILE + b" ", FILE + b"\n", b" " + FILE, FILE[:-1], FILE[1:], FILE.replace(b":", b": ", 1)):
        assert "edited or damaged" in refused(data)


def test_what_is_signed_begins_with_what_it_is_for() -> None:
    assert ADA.sign().statement.message().startswith(DOMAIN)


def test_a_signature_over_something_else_of_the_same_bytes_is_none() -> None:
    """The key signed the statement as a document, for whatever purpose, and not as an approval."""
    statement = ADA.sign().statement
    foreign = ADA.key.sign(statement.message().removeprefix(DOMAIN))
    assert "does not hold" in refused(dump([Signature(statement, ADA.key.public, foreign)]))


def test_a_statement_belongs_to_the_key_beside_it() -> None:
    statement = ADA.sign().statement
    exchanged = Signature(statement, EVE.key.public, EVE.key.sign(statement.message()))
    assert "another key" in refused(dump([exchanged]))


def test_a_signature_of_an_edited_statement_does_not_hold() -> None:
    signed = ADA.sign()
    later = replace(signed.statement, expires=signed.statement.expires.replace(year=2036))
    assert "does not hold" in refused(dump([replace(signed, statement=later)]))


def test_nothing_unsigned_rides_along() -> None:
    assert "not spelled" in refused(rewritten(note="looks good"))
    line = dump([ADA.sign()])
    assert "edited or damaged" in refused(line.replace(b'{"public', b'{"statement":{},"public', 1))


@pytest.mark.parametrize(
    "data",
    [
        b"null\n",
        b"[]\n",
        b"{}\n",
        b'"statement"\n',
        b"\xff\n",
        rewritten(statement=None),
        rewritten(statement={"format_version": 1}),
        rewritten(public_key="AAAA"),
        rewritten(public_key=7),
        rewritten(signature="?"),
        rewritten(statement={**json.loads(FILE.splitlines()[0])["statement"], "signer": 7}),
        rewritten(statement={**json.loads(FILE.splitlines()[0])["statement"], "signer": "a\x1b[2J"}),
        rewritten(statement={**json.loads(FILE.splitlines()[0])["statement"], "signed": "yesterday"}),
        base64.b64encode(FILE),
    ],
)
def test_what_is_no_signature_is_refused(data: bytes) -> None:
    assert "kmsplan plan sign" in refused(data)


def test_a_newer_format_is_refused_by_name() -> None:
    statement = {**json.loads(FILE.splitlines()[0])["statement"], "format_version": 2}
    assert "format version 2, not 1" in refused(rewritten(statement=statement))


def test_a_file_of_any_size_is_not_read() -> None:
    assert "larger" in refused(b"x" * 1024 * 1024 + b"x")


@pytest.mark.parametrize("name", ["", "a b", "a\n", "-a", "a" * 129, "\u0430da", "a\u202eb", "ada:"])
def test_a_name_shows_what_it_is(name: str) -> None:
    assert not NAME.fullmatch(name)
    assert NAME.fullmatch("ada.lovelace+ops@example.org")
