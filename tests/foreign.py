"""Objects that somebody else made in a SoftHSM2 token: another application, or an earlier system."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

MAKERS = """
import sys
from pkcs11 import Attribute, KeyType, Mechanism, MechanismFlag, ObjectClass
from pkcs11.util.ec import encode_named_curve_parameters
HIDDEN = {Attribute.PRIVATE: True, Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False}

def but(**changes):
    return HIDDEN | {getattr(Attribute, name): value for name, value in changes.items()}

def aes(id, label="", bits=256, **changes):
    session.generate_key(KeyType.AES, bits, id=bytes.fromhex(id), label=label, store=True, template=but(**changes))

def mac(id, label="", bits=256):
    session.generate_key(KeyType.GENERIC_SECRET, bits, id=bytes.fromhex(id), label=label, store=True,
                         mechanism=Mechanism.GENERIC_SECRET_KEY_GEN, template=HIDDEN,
                         capabilities=MechanismFlag.SIGN | MechanismFlag.VERIFY)

def rsa(id, label="", bits=2048, **options):
    session.generate_keypair(KeyType.RSA, bits, id=bytes.fromhex(id), label=label, store=True,
                             private_template=HIDDEN, **options)

def ec(id, label="", curve="secp256r1", **changes):
    kind = session.create_domain_parameters(
        KeyType.EC, {Attribute.EC_PARAMS: encode_named_curve_parameters(curve)}, local=True)
    kind.generate_keypair(id=bytes.fromhex(id), label=label, store=True, private_template=but(**changes))

def written(id, value, label=""):
    session.create_object({Attribute.CLASS: ObjectClass.SECRET_KEY, Attribute.KEY_TYPE: KeyType.AES,
                           Attribute.VALUE: bytes.fromhex(value), Attribute.ID: bytes.fromhex(id),
                           Attribute.LABEL: label, Attribute.TOKEN: True, Attribute.ENCRYPT: True,
                           Attribute.DECRYPT: True, **HIDDEN})

def found(id):
    return list(session.get_objects({Attribute.ID: bytes.fromhex(id)}))

def gone(id, *classes):
    for one in found(id):
        if not classes or one.object_class.name in classes:
            one.destroy()

def told(id):
    kinds = (Attribute.LABEL, Attribute.CLASS, Attribute.SENSITIVE, Attribute.EXTRACTABLE, Attribute.LOCAL)
    for one in found(id):
        print(*(one[kind] for kind in kinds if one.object_class is not ObjectClass.PUBLIC_KEY), sep="|")
"""
"""Functions for scripts; the `id` of each is in hexadecimal digits."""
_OPEN = """
import pkcs11
session = pkcs11.lib("/usr/lib/softhsm/libsofthsm2.so").get_token(token_label=LABEL).open(rw=True, user_pin=PIN)
"""


def in_token(environ: Mapping[str, str], script: str, *, label: str = "test", pin: str = "4711-0815") -> str:
    """Run Python with the functions above in another process, logged in to a token; return what it prints."""
    code = f"LABEL, PIN = {label!r}, {pin!r}{_OPEN}{MAKERS}{script}"
    done = subprocess.run([sys.executable, "-c", code], env=dict(environ), check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout
