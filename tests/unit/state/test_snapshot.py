"""The snapshot's text: deterministic, whole, and every kind of damage told apart."""

from __future__ import annotations

import gc
import json
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest

from kmsplan.kms.secret import SecretBytes
from kmsplan.resource.address import Address
from kmsplan.resource.step import Effect, Status
from kmsplan.state import snapshot
from kmsplan.state.error import StateCorruptError, StateVersionError
from kmsplan.state.record import Deletions, Pending, Record, Recorded
from kmsplan.state.snapshot import Snapshot, decode, encode

PATH = Path("state/kmsplan.state.json")
ORDERS = Address("key.orders")
RECORDED = Recorded(
    lineage="l",
    serial=4,
    environment="fake/1",
    records={
        ORDERS: Record(
            address=ORDERS,
            identity="key-1",
            attributes={"tags": {"ä": "b"}, "rotation": None, "policy": {"Version": "1"}},
            status=Status.PENDING_DELETION,
        ),
        Address("alias.orders"): Record(
            address=Address("alias.orders"), identity="alias/orders", attributes={"key": "key.orders"}
        ),
    },
    pending=(
        Pending(
            sequence=9,
            address=ORDERS,
            operation="UntagResources",
            parameters={"TagKey": ["a"]},
            token=None,
            identity="key-1",
            effect=Effect(attributes={"tags": {}}, status=Status.READY),
        ),
    ),
)
SNAPSHOT = Snapshot(RECORDED, 12)
CONTENT = encode(SNAPSHOT)


def reread(content: bytes) -> Snapshot:
    return decode(content, path=PATH, remedy="Look into history.")


def test_what_was_written_is_read() -> None:
    assert reread(CONTENT) == SNAPSHOT


def test_what_an_interrupted_run_may_delete_is_kept_and_nothing_is_said_where_there_is_none() -> None:
    left = Snapshot(replace(RECORDED, unfinished=Deletions("p", (Address("instance.core"), ORDERS))), 12)
    assert reread(encode(left)) == left
    laid_out_anew = json.dumps(json.loads(encode(left))).encode()
    assert reread(laid_out_anew) == left
    assert b"unfinished" not in CONTENT


def test_the_order_of_records_makes_no_difference() -> None:
    turned = replace(RECORDED, records=dict(reversed(list(RECORDED.records.items()))))
    assert encode(Snapshot(turned, 12)) == CONTENT


def test_read_only_mappings_are_written_as_what_they_hold() -> None:
    record = RECORDED.records[ORDERS]
    sealed = replace(record, attributes=MappingProxyType(dict(record.attributes)))
    wrapped = replace(RECORDED, records={**RECORDED.records, ORDERS: sealed})
    assert encode(Snapshot(wrapped, 12)) == CONTENT


def test_one_changed_value_is_one_changed_line_beside_the_digest() -> None:
    record = RECORDED.records[ORDERS]
    changed = replace(record, attributes={**record.attributes, "rotation": 90})
    other = encode(Snapshot(replace(RECORDED, records={**RECORDED.records, ORDERS: changed}), 12))
    before, after = CONTENT.splitlines(), other.splitlines()
    assert sum(one != two for one, two in zip(before, after, strict=True)) == 2


def test_a_secret_cannot_be_written() -> None:
    record = replace(RECORDED.records[ORDERS], attributes={"pin": SecretBytes(b"4711")})
    with pytest.raises(TypeError) as caught:
        encode(Snapshot(replace(RECORDED, records={ORDERS: record}), 12))
    assert "4711" not in repr(caught.value)


@pytest.mark.parametrize("content", [b"", b"  \n", b"\0" * 4096], ids=["no byte", "blank", "zeroes"])
def test_an_empty_file_is_no_missing_state(content: bytes) -> None:
    with pytest.raises(StateCorruptError, match=r"kmsplan\.state\.json is empty") as caught:
        reread(content)
    assert caught.value.remedy == "Look into history."


def test_a_file_truncated_anywhere_is_refused() -> None:
    for length in range(1, len(CONTENT) - 1):
        with pytest.raises(StateCorruptError):
            reread(CONTENT[:length])


def test_a_lost_final_newline_is_no_damage() -> None:
    assert reread(CONTENT.rstrip(b"\n")) == SNAPSHOT


@pytest.mark.parametrize("content", [b"null", b"[]", b"4", b'"x"', b"{}", b'{"format_version": "1"}'])
def test_json_that_is_no_state_is_refused(content: bytes) -> None:
    with pytest.raises(StateCorruptError, match="no state of kmsplan"):
        reread(content)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"key-1"', b'"key-2"'),
        (b'"serial": 4', b'"serial": 5'),
        (b'"lineage": "l"', b'"lineage": "m"'),
        (b'"fake/1"', b'"fake/2"'),
        (b'"digest": "', b'"digest": "0'),
        (b'"journal_sequence": 12', b'"journal_sequence": 11'),
    ],
)
def test_every_edit_shows(old: bytes, new: bytes) -> None:
    with pytest.raises(StateCorruptError, match="was edited: its digest does not fit"):
        reread(CONTENT.replace(old, new, 1))


def test_any_flipped_bit_is_refused() -> None:
    for place in range(len(CONTENT) - 1):
        flipped = bytearray(CONTENT)
        flipped[place] ^= 1
        with pytest.raises((StateCorruptError, StateVersionError)):
            reread(bytes(flipped))


def test_another_layout_of_the_same_content_is_accepted() -> None:
    assert reread(json.dumps(json.loads(CONTENT), indent=4).replace("\n", "\r\n").encode()) == SNAPSHOT


def test_a_newer_format_is_refused_by_its_version_whatever_else_it_holds() -> None:
    with pytest.raises(StateVersionError, match=r"has format version 99.*knows versions up to 2"):
        reread(b'{"format_version": 99}')


def test_a_right_digest_over_a_wrong_form_is_refused() -> None:
    document = json.loads(CONTENT)
    document["records"]["key.orders"]["status"] = "lost"
    del document["digest"]
    document["digest"] = snapshot._digest(snapshot._canonical(document))
    with pytest.raises(StateCorruptError, match="has an unknown form: KeyError 'lost'"):
        reread(json.dumps(document).encode())


def test_reading_leaves_the_cycle_collector_as_it_was() -> None:
    reread(CONTENT)
    assert gc.isenabled()
    gc.disable()
    try:
        reread(CONTENT)
        assert not gc.isenabled()
    finally:
        gc.enable()
