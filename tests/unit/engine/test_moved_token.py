"""Another token of the same name and PIN: nothing is made in it, and it gets no sentinel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from kmsplan.kms.lifecycle import KeyState
from kmsplan.kms.operation import CreateInstance
from kmsplan.kms.spec import KeySpec
from tests.byok import RSA, refused, waiting
from tests.engines import Lab, described, new_key
from tests.softhsm import LABEL, MODULE, SoftHsm

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from kmsplan.engine.service import Engine

pytestmark = pytest.mark.hsm
WRAPPED: dict[str, Any] = {"storage_mechanism": "HsmEncryptedDatabase"}
MAKING: dict[str, Callable[[Engine, str, str], object]] = {
    "generated": lambda engine, instance, _: new_key(engine, instance),
    "kept by the keystore": lambda engine, instance, _: new_key(engine, instance, **WRAPPED),
    "wrapping key": lambda engine, _, key: engine.parameters_for_import(key, "RSAES_OAEP_SHA_1", RSA),
}


@pytest.fixture
def token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SoftHsm:
    return SoftHsm.create(tmp_path, monkeypatch)


@pytest.fixture
def engine(lab: Lab, token: SoftHsm) -> Engine:
    return lab.open(hardware=lambda *_: token.protection())


def _instance(engine: Engine) -> str:
    made = engine.execute(
        CreateInstance(type="hardware", spec=1000, key_quota=1000, hsm={"module": MODULE, "token": LABEL})
    )
    assert made is not None
    return made


@pytest.mark.parametrize("kept", [{}, WRAPPED], ids=["inside", "wrapped"])
@pytest.mark.parametrize("making", MAKING.values(), ids=MAKING)
def test_another_token_of_the_name_gets_nothing_and_the_keys_stay_unreadable_not_destroyed(
    lab: Lab, engine: Engine, token: SoftHsm, making: Callable[[Engine, str, str], object], kept: dict[str, Any]
) -> None:
    instance = _instance(engine)
    key, waits = new_key(engine, instance, **kept), waiting(engine, instance)
    blob = engine.encrypt(key, b"page").blob
    lab.close()
    token.take_away()
    token.initialise(LABEL)
    reopened = lab.open(hardware=lambda *_: token.protection())
    assert "kmsplan-sentinel" in str(refused(lambda: making(reopened, instance, waits)))
    assert token.behind_our_back("print(len(list(session.get_objects())))") == "0\n"
    assert reopened.describe([key], check_material=True).unreadable
    assert described(reopened, key)["state"] == KeyState.ENABLED
    lab.close()
    for other in token.tokens.iterdir():
        other.rename(token.folder / other.name)
    token.put_back()
    assert lab.open(hardware=lambda *_: token.protection()).decrypt(blob).plaintext == b"page"


def test_a_new_token_serves_where_no_key_was_in_the_old_one(lab: Lab, engine: Engine, token: SoftHsm) -> None:
    instance = _instance(engine)
    token.take_away()
    token.initialise(LABEL)
    reopened = lab.open(hardware=lambda *_: token.protection())
    key = new_key(reopened, instance, KeySpec.AES_256)
    assert reopened.decrypt(reopened.encrypt(key, b"page").blob).plaintext == b"page"
