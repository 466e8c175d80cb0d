"""What the embedded engine offers, as data: the part of the KMS tables that it carries out."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from kmsplan.kms.spec import ALGORITHMS, SPECS, Family, KeySpec, KeyType, specs_for

if TYPE_CHECKING:
    from collections.abc import Mapping

_NO_ACTION: Final = (
    "3DES keys know ECB and CBC only, and Encrypt and Decrypt take authenticated modes only, so no action could use one"
)
_NO_MECHANISM: Final = "PKCS#11 has no mechanisms for SM2, SM3 and SM4; software instances hold such keys"
_NOT_BY_PROXY: Final = "the protocol of external key managers knows AES-256 only"


def refusal(key_type: KeyType, spec: KeySpec) -> str | None:
    """Return why the engine does not offer a spec that the KMS has for keys of this type; None where it does."""
    facts = SPECS[spec]
    if facts.family is Family.DES3:
        return _NO_ACTION
    if key_type is KeyType.EXTERNAL and spec is not KeySpec.AES_256:
        return _NOT_BY_PROXY
    if key_type is KeyType.HARDWARE and not any(ALGORITHMS[name].mechanism for name in facts.algorithms):
        return _NO_MECHANISM
    return None


def _offered(key_type: KeyType) -> tuple[KeySpec, ...]:
    return tuple(spec for spec in specs_for(key_type) if refusal(key_type, spec) is None)


OFFERED: Final[Mapping[KeyType, tuple[KeySpec, ...]]] = MappingProxyType(
    {key_type: _offered(key_type) for key_type in KeyType}
)
"""Specs by key type; what a token can make and use of the hardware ones is for `Protection.specs` to say."""

SOFTWARE_SPECS: Final = OFFERED[KeyType.SOFTWARE]
HARDWARE_SPECS: Final = OFFERED[KeyType.HARDWARE]
EXTERNAL_SPECS: Final = OFFERED[KeyType.EXTERNAL]
