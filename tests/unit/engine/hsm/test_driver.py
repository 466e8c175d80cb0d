from __future__ import annotations

from collections import defaultdict
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from kmsplan.engine.hsm.driver import Driver
from kmsplan.engine.hsm.index import Objects
from kmsplan.engine.hsm.message import Fault, TokenFaultError
from kmsplan.kms.spec import KeySpec

if TYPE_CHECKING:
    from pkcs11.types import Session, Token

    from kmsplan.engine.hsm.cryptoki import Library


def driver_of(attribute: bytes) -> Driver:
    """A driver of a token all whose attributes are the same."""
    library = SimpleNamespace(functions=defaultdict(lambda: None), attribute=lambda *_: attribute)
    login = SimpleNamespace(handle=1)
    return Driver(cast("Library", library), cast("Token", None), cast("Session", login))


def test_a_public_key_that_the_token_shows_empty_is_the_tokens_fault() -> None:
    made = Objects(working=1, public=2, handles=[1, 2])
    assert driver_of(b"point").made_public(KeySpec.EC_P256, made) == [b"point"]
    assert driver_of(b"").made_public(KeySpec.AES_256, made) == []
    with pytest.raises(TokenFaultError) as caught:
        driver_of(b"").made_public(KeySpec.EC_P256, made)
    assert caught.value.fault is Fault.SICK
