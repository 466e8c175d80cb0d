from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from kmsplan.kms.operation import ImportKeyMaterial, name_of
from kmsplan.resource import key, keyattribute
from kmsplan.resource.address import Address
from kmsplan.resource.material import expiry, found_at, import_steps, moment, observed

FOUND = {"file": "a.bin", "format": "raw"}
BEFORE: dict[str, Any] = {"spec": "Aliyun_AES_256", "material": FOUND, "imported": "absent"}


def test_an_expiry_date_is_midnight_utc_or_the_time_that_is_written() -> None:
    assert expiry(None) is None
    assert expiry({"env": "A"}) == "never"
    assert expiry({"env": "A", "expires": "2027-12-31"}) == "2027-12-31T00:00:00Z"
    assert expiry({"env": "A", "expires": "2027-12-31T01:02:03Z"}) == "2027-12-31T01:02:03Z"


def test_where_material_is_found_says_nothing_of_its_expiry_date() -> None:
    assert found_at(None) is None
    assert found_at({"file": "a.bin", "expires": "2027-12-31"}) == FOUND
    assert found_at({"env": "A", "format": "base64"}) == {"env": "A", "format": "base64"}


@pytest.mark.parametrize("text", [None, "never", "absent", "no time"])
def test_what_is_no_time_is_no_moment(text: str | None) -> None:
    assert moment(text) is None


@pytest.mark.parametrize(
    ("origin", "present", "expires", "wanted"),
    [
        ("Aliyun_KMS", True, None, None),
        ("EXTERNAL", False, None, "absent"),
        ("EXTERNAL", True, None, "never"),
        ("EXTERNAL", True, "2027-12-31T00:00:00Z", "2027-12-31T00:00:00Z"),
    ],
)
def test_what_a_kms_shows_is_said_in_one_word(
    origin: str, expires: str | None, wanted: str | None, *, present: bool
) -> None:
    assert observed(origin, present=present, expires=expires) == wanted


@pytest.mark.parametrize(
    ("wanted", "expires"),
    [("never", None), ("2027-12-31T00:00:00Z", int(datetime(2027, 12, 31, tzinfo=UTC).timestamp()))],
)
def test_material_that_is_absent_or_expires_otherwise_is_imported(wanted: str, expires: int | None) -> None:
    (step,) = import_steps("key-1", BEFORE, {**BEFORE, "imported": wanted})
    assert step.operation == ImportKeyMaterial(key="key-1", spec="Aliyun_AES_256", material=FOUND, expires=expires)
    assert step.effect.attributes == {"imported": wanted}


@pytest.mark.parametrize("after", [{}, {"imported": None}, {"imported": "never", "material": None}])
def test_nothing_is_imported_that_nobody_wants_or_can_find(after: dict[str, Any]) -> None:
    assert import_steps("key-1", BEFORE, {**BEFORE, **after}) == ()


def test_a_new_key_gets_its_material_before_it_is_protected_and_disabled() -> None:
    attributes: dict[str, Any] = {
        **{attribute.name: attribute.default for attribute in keyattribute.ATTRIBUTES if attribute.recorded},
        "instance": "instance.core",
        "usage": "ENCRYPT/DECRYPT",
        "origin": "EXTERNAL",
        "material": FOUND,
        "imported": "never",
        "tags": {},
        "enabled": False,
    }
    steps = key.create(Address("key.a"), attributes)
    assert [name_of(step.operation) for step in steps] == [
        "CreateKey",
        "ImportKeyMaterial",
        "SetDeletionProtection",
        "DisableKey",
    ]
    assert steps[0].effect.attributes["imported"] == "absent"
