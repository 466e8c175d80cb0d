"""Key material to import, and what takes it: for the tests of engine, provider and command line."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from kmsplan.engine import wrapping
from kmsplan.engine.protection.protocol import Generated, ProtectionUnavailableError
from kmsplan.kms.capability import Origin
from kmsplan.kms.error import KmsError
from kmsplan.kms.secret import SecretBytes
from kmsplan.kms.spec import SPECS, Family, KeySpec, KeyUsage
from kmsplan.kms.wrapping import WrappingKeySpec, wrappings_for
from tests.engines import FakeHsm, new_key

if TYPE_CHECKING:
    from datetime import timedelta

    from kmsplan.engine.importing.parameters import ImportParameters
    from kmsplan.engine.service import Engine
    from tests.engines import Lab

OAEP = "RSAES_OAEP_SHA_256"
PAIR_WRAPPING = "RSAES_OAEP_SHA_256_AES_256_ECB_PKCS7_PAD"
RSA = "RSA_2048"


@dataclass
class ImportingHsm(FakeHsm):
    """Unwraps in its own memory, as a token does in its own."""

    wrapping_keys: dict[bytes, SecretBytes] = field(default_factory=dict)
    dies_after_unwrapping: bool = False

    def wrappings(self, spec: KeySpec) -> tuple[str, ...]:
        self._answer()
        return tuple(one.name for one in wrappings_for(spec) if one.spec is WrappingKeySpec.RSA_2048)[:1]

    def wrapping_key(self, reference: bytes) -> bytes:
        self._answer()
        pair = wrapping.generate(WrappingKeySpec.RSA_2048)
        self.wrapping_keys[reference] = pair.private
        return pair.public

    def unwrap(
        self,
        spec: KeySpec,
        usage: KeyUsage,
        reference: bytes | None,
        algorithm: str,
        wrapped: bytes,
        wrapping_reference: bytes,
    ) -> Generated:
        del usage
        self._answer()
        assert reference is not None
        opened = wrapping.unwrap(algorithm, self.wrapping_keys[wrapping_reference], wrapped)
        accepted = self._software.accept(spec, opened)
        assert accepted.secret is not None
        self.material[reference] = accepted.secret
        if self.dies_after_unwrapping:
            self.away = True
            raise ProtectionUnavailableError("the connection to the token broke")
        return Generated(None, accepted.public_key, accepted.fingerprint)

    def destroy(self, reference: bytes) -> None:
        super().destroy(reference)
        self.wrapping_keys.pop(reference, None)


def pkcs8(key: Any) -> SecretBytes:
    return SecretBytes(
        key.private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


CURVES = {KeySpec.EC_P256: ec.SECP256R1(), KeySpec.EC_P256K: ec.SECP256K1()}


def material_for(spec: KeySpec) -> SecretBytes:
    """Return new material in the form that is wrapped."""
    facts = SPECS[spec]
    match facts.family:
        case Family.RSA:
            return pkcs8(rsa.generate_private_key(65537, facts.bits))
        case Family.EC:
            return pkcs8(ec.generate_private_key(CURVES[spec]))
        case Family.SM2:
            return SecretBytes(
                ec.generate_private_key(ec.SECP256R1()).private_numbers().private_value.to_bytes(32, "big")
            )
        case _:
            assert facts.material_bytes is not None
            return SecretBytes(os.urandom(facts.material_bytes))


def waiting(engine: Engine, instance: str, spec: KeySpec = KeySpec.AES_256, **options: Any) -> str:
    """Make a key that waits for its material."""
    return new_key(engine, instance, spec, origin=Origin.EXTERNAL, **options)


def bring(
    engine: Engine,
    key: str,
    material: SecretBytes,
    *,
    parameters: ImportParameters | None = None,
    algorithm: str = OAEP,
    expires: int | None = None,
) -> None:
    """Wrap material and import it."""
    found = parameters or engine.parameters_for_import(key, algorithm, RSA)
    engine.import_material(key, wrapping.wrap(algorithm, found.public_key, material), found.token, expires)


def refused(action: Any) -> KmsError:
    with pytest.raises(KmsError) as caught:
        action()
    return caught.value


def in_seconds(lab: Lab, after: timedelta) -> int:
    return int((lab.clock.now + after).timestamp())


def tokens_in(engine: Engine) -> int:
    with engine._core.store.read() as db:
        number: int = db.execute("SELECT count(*) FROM import_token").fetchone()[0]
        return number
