"""References to objects that somebody else made: never taken for one to an object of ours."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kmsplan.engine.hsm.attachment import Attachment, fingerprint_of, is_attached, left_in_hsm
from kmsplan.engine.hsm.message import KEK, LOADED_BYTES, REFERENCE_BYTES, SENTINEL
from kmsplan.kms.spec import KeySpec

ATTACHMENTS = st.builds(
    Attachment, st.binary(min_size=32, max_size=32), st.sampled_from(KeySpec), st.binary(min_size=1, max_size=64)
)


@given(ATTACHMENTS)
def test_a_reference_says_the_object_again_and_is_longer_than_any_of_ours(attachment: Attachment) -> None:
    reference = attachment.reference
    assert Attachment.parse(reference) == attachment
    assert is_attached(reference)
    assert len(reference) > LOADED_BYTES > REFERENCE_BYTES


@pytest.mark.parametrize("reference", [SENTINEL, KEK, b"\0" * REFERENCE_BYTES, b"\0" * LOADED_BYTES, b""])
def test_references_of_ours_are_no_attached_ones(reference: bytes) -> None:
    assert not is_attached(reference)


@pytest.mark.parametrize("reference", [b"x" * 40, b"x" * 32 + b"EC_P256\0", b"x" * 32 + b"no spec\0\x01"])
def test_what_is_no_reference_is_refused(reference: bytes) -> None:
    with pytest.raises(ValueError, match=r"reference|not a valid KeySpec"):
        Attachment.parse(reference)


def test_a_fingerprint_tells_specs_and_parts_apart() -> None:
    found = {
        fingerprint_of(KeySpec.AES_256, [b"ab"]),
        fingerprint_of(KeySpec.AES_256, [b"a", b"b"]),
        fingerprint_of(KeySpec.AES_128, [b"ab"]),
    }
    assert len(found) == 3
    assert {len(one) for one in found} == {32}


def test_the_audit_trail_is_told_which_objects_stay() -> None:
    assert left_in_hsm([]) == {}
    assert left_in_hsm([Attachment(bytes(32), KeySpec.EC_P256, b"\x0a").reference]) == {"LeftInHsm": ["0a"]}
