from __future__ import annotations

import pytest

from kmsplan.engine.hsm.error import HsmError, from_fault
from kmsplan.engine.hsm.message import Fault, TokenFaultError
from kmsplan.engine.protection.protocol import (
    InvalidCiphertextError,
    InvalidMaterialError,
    NotOfferedError,
    ProtectionUnavailableError,
    UnfitObjectError,
)

_CALLERS = {Fault.INVALID_CIPHERTEXT, Fault.INVALID_MATERIAL, Fault.INCAPABLE, Fault.UNFIT}
_PEOPLE = [fault for fault in Fault if fault not in _CALLERS]
_WITHOUT_REASON = {Fault.NO_SENTINEL, Fault.NOT_LOADED}


@pytest.mark.parametrize("fault", _PEOPLE)
def test_every_fault_names_the_token_the_reason_and_a_remedy(fault: Fault) -> None:
    error = from_fault(TokenFaultError(fault, "the {reason}"), "/lib/module.so", "vault")
    assert isinstance(error, HsmError)
    assert isinstance(error, ProtectionUnavailableError)
    what, _, remedy = str(error).partition(". ")
    assert "'vault'" in what
    assert "the {reason}" in what or fault in _WITHOUT_REASON
    assert remedy


@pytest.mark.parametrize(
    ("fault", "kind"),
    [(Fault.INVALID_CIPHERTEXT, InvalidCiphertextError), (Fault.INVALID_MATERIAL, InvalidMaterialError)],
)
def test_what_does_not_open_says_nothing_of_the_token(fault: Fault, kind: type[Exception]) -> None:
    error = from_fault(TokenFaultError(fault, "GeneralError"), "/lib/module.so", "vault")
    assert isinstance(error, kind)
    assert str(error) == str(kind())


def test_what_a_token_cannot_do_is_not_offered_rather_than_unavailable() -> None:
    error = from_fault(TokenFaultError(Fault.INCAPABLE, "makes no {keys}"), "/lib/module.so", "vault")
    assert isinstance(error, NotOfferedError)
    assert str(error) == "token 'vault' of the PKCS#11 module /lib/module.so makes no {keys}"


def test_an_object_that_no_key_can_stand_for_is_the_callers_business_and_says_why() -> None:
    error = from_fault(TokenFaultError(Fault.UNFIT, "it is {extractable}"), "/lib/module.so", "vault")
    assert isinstance(error, UnfitObjectError)
    assert str(error) == "it is {extractable}"
