from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kmsplan.cli.needed import needed
from kmsplan.config.configuration import SecretReference
from kmsplan.config.diagnostic import Span
from kmsplan.engine.protection.protocol import ProtectionUnavailableError

if TYPE_CHECKING:
    from pathlib import Path

SPAN = Span("kmsplan.yaml", 7, 3, 7, 20)


def test_a_secret_is_read_each_time_that_it_is_needed(tmp_path: Path) -> None:
    pin = tmp_path / "pin"
    pin.write_bytes(b"1234")
    reference = SecretReference("file", str(pin), SPAN)
    assert needed(reference, {}).reveal() == b"1234"
    pin.write_bytes(b"5678")
    assert needed(reference, {}).reveal() == b"5678"


@pytest.mark.parametrize(
    ("reference", "named"),
    [
        (SecretReference("file", "/nowhere/pin", SPAN), "/nowhere/pin"),
        (SecretReference("env", "HSM_PIN", SPAN), "HSM_PIN"),
    ],
)
def test_a_secret_that_has_gone_makes_its_backend_unavailable_and_says_where_it_is_named(
    reference: SecretReference, named: str
) -> None:
    with pytest.raises(ProtectionUnavailableError) as away:
        needed(reference, {})
    assert named in str(away.value)
    assert "kmsplan.yaml:7" in str(away.value)
