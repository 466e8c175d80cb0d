from __future__ import annotations

import pytest

from kmsplan.engine.hsm.error import HsmError, from_fault
from kmsplan.engine.hsm.message import Fault, TokenFaultError
from kmsplan.engine.protection.protocol import InvalidCiphertextError, ProtectionUnavailableError

_PEOPLE = [fault for fault in Fault if fault is not Fault.INVALID_CIPHERTEXT]


@pytest.mark.parametrize("fault", _PEOPLE)
def test_every_fault_names_the_token_the_reason_and_a_remedy(fault: Fault) -> None:
    error = from_fault(TokenFaultError(fault, "the {reason}"), "/lib/module.so", "vault")
    assert isinstance(error, HsmError)
    assert isinstance(error, ProtectionUnavailableError)
    what, _, remedy = str(error).partition(". ")
    assert "'vault'" in what
    assert "the {reason}" in what or fault is Fault.NO_SENTINEL
    assert remedy


def test_a_bad_ciphertext_says_nothing_of_the_token() -> None:
    error = from_fault(TokenFaultError(Fault.INVALID_CIPHERTEXT, "GeneralError"), "/lib/module.so", "vault")
    assert isinstance(error, InvalidCiphertextError)
    assert str(error) == str(InvalidCiphertextError())
