"""Hardware keys never leave their token: by what the token's own objects say and refuse, and by what the engine keeps.

What is asked of the token is asked in another process that is logged in as the engine is: whoever has the PIN.
"""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from kmsplan.kms.capability import KeyStorageMechanism
from kmsplan.kms.secret import SecretBytes
from kmsplan.kms.spec import SPECS, KeySpec
from tests.byok import bring, pkcs8, waiting
from tests.engines import Lab, new_instance, new_key
from tests.softhsm import SoftHsm

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kmsplan.engine.service import Engine

pytestmark = pytest.mark.hsm
MADE = (KeySpec.AES_256, KeySpec.HMAC_SHA_256, KeySpec.EC_P256, KeySpec.EC_P256K, KeySpec.RSA_2048)
WRAPPINGS = {True: "RSAES_OAEP_SHA_1", False: "RSA_AES_KEY_WRAP_SHA_1"}
# Prints one line for each secret or private key but the sentinel, on what the token says of it and lets be done to it.
_ASKING = """
from pkcs11 import Mechanism
A = Attribute
SECRETS = {
    KeyType.RSA: (A.PRIVATE_EXPONENT, A.PRIME_1, A.PRIME_2, A.EXPONENT_1, A.EXPONENT_2, A.COEFFICIENT),
}
wrapper = session.generate_key(
    KeyType.AES, 256, store=False, capabilities=pkcs11.MechanismFlag.WRAP | pkcs11.MechanismFlag.UNWRAP
)

def refused(action):
    try:
        action()
    except pkcs11.PKCS11Error as error:
        return type(error).__name__
    return "allowed"

def change(key, attribute, value):
    key[attribute] = value

for key in session.get_objects({A.TOKEN: True}):
    if key.object_class not in (ObjectClass.SECRET_KEY, ObjectClass.PRIVATE_KEY) or "sentinel" in key[A.LABEL]:
        continue
    facts = {name: key[A[name]] for name in ("PRIVATE", "SENSITIVE", "EXTRACTABLE", "NEVER_EXTRACTABLE", "LOCAL")}
    reads = {refused(lambda: key[part]) for part in SECRETS.get(key.key_type, (A.VALUE,))}
    wraps = {refused(lambda: wrapper.wrap_key(key, mechanism=way))
             for way in (Mechanism.AES_KEY_WRAP, Mechanism.AES_KEY_WRAP_PAD)}
    changes = [refused(lambda: change(key, A.EXTRACTABLE, True)), refused(lambda: change(key, A.SENSITIVE, False)),
               refused(lambda: key.copy({A.EXTRACTABLE: True})), refused(lambda: key.copy({A.SENSITIVE: False}))]
    print(*(name for name, holds in facts.items() if holds), *reads, *wraps, "allowed" in changes)
"""
_REFUSALS = "AttributeSensitive KeyUnextractable False"


@pytest.fixture
def token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SoftHsm:
    return SoftHsm.create(tmp_path, monkeypatch)


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    place = Lab(tmp_path / "engine")
    place.create()
    yield place
    place.close()


@pytest.fixture
def engine(lab: Lab, token: SoftHsm) -> Engine:
    return lab.open(hardware=lambda *_: token.protection())


def _material() -> dict[KeySpec, tuple[SecretBytes, tuple[bytes, ...]]]:
    """Return material to import, and the secrets in it."""
    pair, number = ec.generate_private_key(ec.SECP256R1()), rsa.generate_private_key(65537, 2048)
    private, numbers = pair.private_numbers().private_value, number.private_numbers()
    aes, mac = os.urandom(32), os.urandom(32)
    return {
        KeySpec.AES_256: (SecretBytes(aes), (aes,)),
        KeySpec.HMAC_SHA_256: (SecretBytes(mac), (mac,)),
        KeySpec.EC_P256: (pkcs8(pair), (private.to_bytes(32, "big"),)),
        KeySpec.RSA_2048: (
            pkcs8(number),
            (numbers.p.to_bytes(128, "big"), numbers.q.to_bytes(128, "big"), numbers.d.to_bytes(256, "big")),
        ),
    }


def _found(lab: Lab, secret: bytes) -> bool:
    """Say whether a secret stands in a file of the engine, in any form that somebody might write it in."""
    # Base64 of something that a secret stands in depends on where it begins there.
    shifted = [base64.b64encode(bytes(by) + secret)[4 if by else 0 : -4] for by in range(3)]
    forms = (secret, secret[::-1], secret.hex().encode(), secret.hex().upper().encode(), *shifted)
    everything = [path.read_bytes() for path in lab.folder.rglob("*") if path.is_file()]
    assert any(b"CreateKey" in content for content in everything)
    return any(form in content for form in forms for content in everything)


def test_a_key_made_in_the_token_is_sensitive_local_and_never_was_extractable(engine: Engine, token: SoftHsm) -> None:
    vault = new_instance(engine, "hardware")
    for spec in MADE:
        for usage in SPECS[spec].usages:
            new_key(engine, vault, spec, usage=usage)
    said = token.behind_our_back(_ASKING).splitlines()
    assert len(said) == len(MADE) + 1
    assert set(said) == {f"PRIVATE SENSITIVE NEVER_EXTRACTABLE LOCAL {_REFUSALS}"}


def test_an_imported_key_is_sensitive_and_not_extractable_and_its_material_nowhere_else(
    lab: Lab, engine: Engine, token: SoftHsm
) -> None:
    vault, material = new_instance(engine, "hardware"), _material()
    for spec, (sent, _) in material.items():
        bring(engine, waiting(engine, vault, spec), sent, algorithm=WRAPPINGS[SPECS[spec].symmetric])
    said = token.behind_our_back(_ASKING).splitlines()
    # The wrapping keys of the import tokens are made inside; what they brought was outside once, and says so.
    assert sorted(said) == sorted(
        [
            *[f"PRIVATE SENSITIVE {_REFUSALS}"] * len(material),
            *[f"PRIVATE SENSITIVE NEVER_EXTRACTABLE LOCAL {_REFUSALS}"] * len(material),
        ]
    )
    engine.close()
    for _, secrets in material.values():
        assert not any(_found(lab, secret) for secret in secrets)


def test_what_the_token_wraps_for_the_database_is_in_the_clear_nowhere(
    lab: Lab, engine: Engine, token: SoftHsm
) -> None:
    vault, material = new_instance(engine, "hardware"), _material()
    for spec, (sent, _) in material.items():
        key = waiting(engine, vault, spec, storage_mechanism=KeyStorageMechanism.HSM_ENCRYPTED_DATABASE)
        bring(engine, key, sent, algorithm=WRAPPINGS[SPECS[spec].symmetric])
    # In the token there are the key that wraps them and the wrapping keys of the import tokens.
    assert len(token.behind_our_back(_ASKING).splitlines()) == 1 + len(material)
    engine.close()
    for _, secrets in material.values():
        assert not any(_found(lab, secret) for secret in secrets)


def test_the_search_finds_what_is_there(lab: Lab, engine: Engine) -> None:
    del engine
    secret = os.urandom(32)
    for form in (secret, secret.hex().encode(), *(base64.b64encode(bytes(by) + secret) for by in range(3))):
        (lab.folder / "leak").write_bytes(b"CreateKey" + form)
        assert _found(lab, secret)
