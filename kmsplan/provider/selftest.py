"""Using a key of the embedded engine once, there and back: a pairwise consistency test (FIPS 140-3 IG, 10.3.A)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kmsplan.kms.error import KmsError
from kmsplan.kms.spec import SPECS, KeySpec, KeyUsage

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kmsplan.engine.service import Engine

_MESSAGE: Final = bytes(range(32))
"""As long as the digest that every signature algorithm takes; no secret."""


def round_trip(engine: Engine, key: str) -> None:
    """Encrypt and decrypt, or sign and verify.

    Raises:
        KmsError: the key does not do what it is for.
    """
    rows = engine.describe([key]).keys
    if not rows:
        raise KmsError("Forbidden.KeyNotFound")
    spec, usage = KeySpec(rows[0]["spec"]), KeyUsage(rows[0]["usage"])
    symmetric = usage is KeyUsage.ENCRYPT and SPECS[spec].symmetric
    if not (_symmetric if symmetric else _TRIPS[usage])(engine, key):
        raise KmsError("InternalFailure", "What it made does not come back as it was.")


def _symmetric(engine: Engine, key: str) -> bool:
    return engine.decrypt(engine.encrypt(key, _MESSAGE).blob).plaintext == _MESSAGE


def _asymmetric(engine: Engine, key: str) -> bool:
    return engine.asymmetric_decrypt(key, None, None, engine.asymmetric_encrypt(key, None, None, _MESSAGE)) == _MESSAGE


def _signature(engine: Engine, key: str) -> bool:
    return engine.verify(key, None, None, _MESSAGE, engine.sign(key, None, None, _MESSAGE))


def _mac(engine: Engine, key: str) -> bool:
    return engine.verify_mac(key, None, _MESSAGE, engine.generate_mac(key, None, _MESSAGE))


_TRIPS: Final[Mapping[KeyUsage, Callable[[Engine, str], bool]]] = {
    KeyUsage.ENCRYPT: _asymmetric,
    KeyUsage.SIGN: _signature,
    KeyUsage.MAC: _mac,
}
