"""Module, token and PIN: every way to get them wrong is said in its own words."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from kmsplan.engine.hsm.client import TokenName, Worker
from kmsplan.engine.hsm.message import Fault, TokenFaultError
from kmsplan.kms.secret import SecretBytes
from tests.softhsm import LABEL, MODULE, PIN, SoftHsm

pytestmark = [pytest.mark.hsm, pytest.mark.usefixtures("softhsm")]


def _refusal(module: str = MODULE, label: str = LABEL, pin: bytes = PIN.encode()) -> tuple[Fault, str]:
    with pytest.raises(TokenFaultError) as caught:
        Worker(TokenName(module=module, label=label), SecretBytes(pin))
    return caught.value.fault, caught.value.reason


def test_a_module_that_is_not_there(softhsm: SoftHsm) -> None:
    assert _refusal(module=str(softhsm.folder / "none.so")) == (Fault.MODULE_UNUSABLE, "there is no such file")


def test_a_module_that_the_loader_does_not_find() -> None:
    fault, reason = _refusal(module="libnowhere.so")
    assert fault is Fault.MODULE_UNUSABLE
    assert "cannot open shared object file" in reason


def test_a_module_that_is_no_library(softhsm: SoftHsm) -> None:
    (softhsm.folder / "text.so").write_text("no library")
    fault, reason = _refusal(module=str(softhsm.folder / "text.so"))
    assert fault is Fault.MODULE_UNUSABLE
    assert "file too short" in reason


def test_a_library_that_is_no_pkcs11_module() -> None:
    library = next(Path("/usr/lib").glob("*/libz.so.1"), None) or next(Path("/lib").glob("*/libc.so.6"))
    fault, reason = _refusal(module=str(library))
    assert fault is Fault.MODULE_UNUSABLE
    assert "C_GetFunctionList" in reason


def test_a_module_without_its_configuration(softhsm: SoftHsm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOFTHSM2_CONF", str(softhsm.folder / "none.conf"))
    fault, reason = _refusal()
    assert fault is Fault.MODULE_UNUSABLE
    assert "C_Initialize returned" in reason


def test_a_module_whose_token_folder_is_gone(softhsm: SoftHsm) -> None:
    shutil.rmtree(softhsm.tokens)
    fault, reason = _refusal()
    assert fault is Fault.MODULE_UNUSABLE
    assert "C_Initialize returned" in reason


def test_a_label_that_no_token_has_lists_those_there_are(softhsm: SoftHsm) -> None:
    softhsm.initialise("other")
    fault, reason = _refusal(label="vault")
    assert fault is Fault.TOKEN_MISSING
    assert reason == "the tokens 'other', 'test', and 1 not initialised"


def test_a_store_without_any_token(softhsm: SoftHsm) -> None:
    for store in softhsm.tokens.iterdir():
        shutil.rmtree(store)
    assert _refusal() == (Fault.TOKEN_MISSING, "no token at all, and 1 not initialised")


def test_a_label_that_two_tokens_have(softhsm: SoftHsm) -> None:
    softhsm.initialise(LABEL)
    fault, reason = _refusal()
    assert fault is Fault.TOKEN_AMBIGUOUS
    assert reason.startswith("serial numbers ")


@pytest.mark.parametrize("pin", [b"0000-0000", b"1", b""])
def test_a_wrong_pin(pin: bytes) -> None:
    assert _refusal(pin=pin)[0] is Fault.PIN_REFUSED


def test_a_pin_that_is_no_text_is_refused_without_quoting_it() -> None:
    fault, reason = _refusal(pin=b"4711\xff")
    assert fault is Fault.PIN_REFUSED
    assert "4711" not in reason
