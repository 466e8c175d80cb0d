"""What a token can do, found out by doing it with session objects: mechanism lists promise too much and too little."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pkcs11 import GCMParams, Mechanism
from pkcs11.exceptions import PKCS11Error

from kmsplan.engine.hsm import mechanism
from kmsplan.engine.hsm.cryptoki import BoundKey
from kmsplan.kms.spec import SPECS, Family, KeySpec

if TYPE_CHECKING:
    from pkcs11.types import Session

_MESSAGE = b"0123456789abcdef0123456789abcdef"
"""As long as a SHA-256 digest, which is what the signing mechanisms take."""


def probe(session: Session, family: Family) -> dict[KeySpec, list[str]]:
    """Return the algorithms that work, by spec; a spec that cannot be made is left out.

    RSA keys of 3,072 and 4,096 bits take seconds to make: there the token's size limit is believed, and what a key of
    2,048 bits can do. Session objects are left behind: the caller closes the session.
    """
    specs = mechanism.SPECS_BY_FAMILY[family]
    if family is not Family.RSA:
        found = {spec: _algorithms(session, spec) for spec in specs}
    else:
        algorithms = _algorithms(session, KeySpec.RSA_2048)
        limit = _largest_rsa(session) if algorithms else 0
        found = {spec: algorithms for spec in specs if SPECS[spec].bits <= limit}
    return {spec: algorithms for spec, algorithms in found.items() if algorithms}


def _largest_rsa(session: Session) -> int:
    info = session.token.slot.get_mechanism_info(Mechanism.RSA_PKCS_KEY_PAIR_GEN)
    return info.max_key_length or 0


def _algorithms(session: Session, spec: KeySpec) -> list[str]:
    """Return the algorithms of a spec that work with a key made for trying them."""
    try:
        handles = mechanism.generate(session, spec, SPECS[spec].usages, None)
    except PKCS11Error:
        return []
    keys = [BoundKey(session, handle) for handle in handles]
    return [name for name in SPECS[spec].algorithms if _works(keys[0], keys[-1], name)]


def _works(private: BoundKey, public: BoundKey, algorithm: str) -> bool:
    """Use the key pair once; a symmetric key is both halves."""
    try:
        if algorithm in mechanism.SIGNING:
            how, parameter, prefix = mechanism.SIGNING[algorithm]
            private.sign(prefix + _MESSAGE, mechanism=how, mechanism_param=parameter)
            return True
        if algorithm in mechanism.OAEP:
            way = {"mechanism": Mechanism.RSA_PKCS_OAEP, "mechanism_param": mechanism.OAEP[algorithm]}
        elif algorithm == "AES_GCM":
            way = {"mechanism": Mechanism.AES_GCM, "mechanism_param": GCMParams(os.urandom(12), b"", 128)}
        else:
            return False
        return bool(private.decrypt(public.encrypt(_MESSAGE, **way), **way) == _MESSAGE)
    except PKCS11Error:
        return False
