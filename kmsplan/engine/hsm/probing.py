"""What a token can do, found out by doing it with session objects: mechanism lists promise too much and too little."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pkcs11 import Mechanism
from pkcs11.exceptions import PKCS11Error

from kmsplan.engine.hsm import mechanism
from kmsplan.engine.hsm.cryptoki import BoundKey
from kmsplan.kms.spec import SPECS, Family, KeySpec

if TYPE_CHECKING:
    from pkcs11.types import Session

    from kmsplan.engine.hsm.seat import Seat

_MESSAGE = b"0123456789abcdef0123456789abcdef"
"""As long as a SHA-256 digest, which is what the signing mechanisms take."""


def probe(seat: Seat, family: Family) -> dict[KeySpec, list[str]]:
    """Return the algorithms that work, by spec; a spec that cannot be made is left out.

    RSA keys of 3,072 and 4,096 bits take seconds to make: there the token's size limit is believed, and what a key of
    2,048 bits can do. Session objects are left behind: the caller closes the session.
    """
    specs = mechanism.SPECS_BY_FAMILY[family]
    if family is not Family.RSA:
        found = {spec: _algorithms(seat, spec) for spec in specs}
    else:
        algorithms = _algorithms(seat, KeySpec.RSA_2048)
        limit = _largest_rsa(seat.session) if algorithms else 0
        found = {spec: algorithms for spec in specs if SPECS[spec].bits <= limit}
    return {spec: algorithms for spec, algorithms in found.items() if algorithms}


def _largest_rsa(session: Session) -> int:
    info = session.token.slot.get_mechanism_info(Mechanism.RSA_PKCS_KEY_PAIR_GEN)
    return info.max_key_length or 0


def _algorithms(seat: Seat, spec: KeySpec) -> list[str]:
    """Return the algorithms of a spec that work with a key made for trying them."""
    try:
        handles = mechanism.generate(seat.session, spec, SPECS[spec].usages, None)
    except PKCS11Error:
        return []
    return [name for name in SPECS[spec].algorithms if _works(seat, handles[0], handles[-1], name)]


def _works(seat: Seat, private: int, public: int, algorithm: str) -> bool:
    """Use the key pair once; a symmetric key is both halves."""
    inner, outer = BoundKey(seat.session, private), BoundKey(seat.session, public)
    try:
        if algorithm in mechanism.SIGNING:
            how, parameter, prefix = mechanism.SIGNING[algorithm]
            inner.sign(prefix + _MESSAGE, mechanism=how, mechanism_param=parameter)
            return True
        if algorithm in mechanism.OAEP:
            way = {"mechanism": Mechanism.RSA_PKCS_OAEP, "mechanism_param": mechanism.OAEP[algorithm]}
            return bool(inner.decrypt(outer.encrypt(_MESSAGE, **way), **way) == _MESSAGE)
        return algorithm == "AES_GCM" and _seals(seat, private)
    except PKCS11Error:
        return False


def _seals(seat: Seat, key: int) -> bool:
    iv = os.urandom(12)
    return seat.decrypt(key, iv, b"", seat.encrypt(key, iv, b"", _MESSAGE)) == _MESSAGE
