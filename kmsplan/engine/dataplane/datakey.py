"""Data keys: made here, kept by the caller, opened here.

What the ciphertext holds is the Base64 text of the data key, as the cloud's does: Decrypt answers with that text.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Final, NamedTuple

from kmsplan.engine.dataplane import symmetric
from kmsplan.engine.parameter import invalid
from kmsplan.engine.protection.protocol import InvalidCiphertextError
from kmsplan.kms.secret import SecretBytes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kmsplan.engine.dataplane.call import Call

LENGTHS: Final = range(1, 1025)
"""Bytes of a data key (GenerateDataKey, NumberOfBytes)."""


WRAPPINGS: Final = {"RSA_2048": ("RSAES_OAEP_SHA_256", "RSAES_OAEP_SHA_1"), "EC_SM2": ("SM2PKE",)}
"""By the spec of the recipient's key: how data keys are encrypted for it."""


class DataKey(NamedTuple):
    """A new data key, its ciphertext, and what encrypted it."""

    plaintext: bytes
    blob: bytes
    key_id: str
    version_id: str


class Recipient(NamedTuple):
    """Whom a data key is exported to."""

    public_key: bytes
    """DER SubjectPublicKeyInfo."""
    spec: str
    """RSA_2048 or EC_SM2."""
    algorithm: str
    """RSAES_OAEP_SHA_256, RSAES_OAEP_SHA_1 or SM2PKE."""


class Exported(NamedTuple):
    """A data key under the recipient's public key, its ciphertext, and what that is encrypted with."""

    exported: bytes
    blob: bytes
    key_id: str
    version_id: str


def generate(call: Call, key: str, length: int, context: Mapping[str, str] | None) -> DataKey:
    """Make a data key and encrypt it."""
    if length not in LENGTHS:
        raise invalid("NumberOfBytes", f"a data key has 1 to {LENGTHS[-1]} bytes")
    plaintext = call.core.world.entropy(length)
    sealed = symmetric.encrypt(call, key, base64.b64encode(plaintext), context)
    return DataKey(plaintext, *sealed)


def generate_and_export(
    call: Call, key: str, length: int, context: Mapping[str, str] | None, recipient: Recipient
) -> Exported:
    """Make a data key, encrypt it, and encrypt it for a recipient too."""
    made = generate(call, key, length, context)
    return Exported(_wrap(recipient, made.plaintext), *made[1:])


def export(call: Call, blob: bytes, context: Mapping[str, str] | None, recipient: Recipient) -> Exported:
    """Decrypt a data key and encrypt it for a recipient.

    Raises:
        InvalidCiphertextError: the ciphertext does not open, or holds no data key.
    """
    opened = symmetric.decrypt(call, blob, context)
    try:
        data_key = base64.b64decode(opened.plaintext, validate=True)
    except binascii.Error as error:
        raise InvalidCiphertextError from error
    return Exported(_wrap(recipient, data_key), blob, opened.key_id, opened.version_id)


def _wrap(recipient: Recipient, data_key: bytes) -> bytes:
    """Encrypt a data key for its recipient.

    Raises:
        KmsError: the public key is not what it is said to be, or does not go with the algorithm.
    """
    from kmsplan.engine.wrapping import wrap  # noqa: PLC0415 - data keys are rarely exported

    if recipient.spec not in WRAPPINGS:
        raise invalid("WrappingKeySpec", f"it is one of {', '.join(WRAPPINGS)}")
    if recipient.algorithm not in WRAPPINGS[recipient.spec]:
        raise invalid("WrappingAlgorithm", f"{recipient.spec} goes with {' or '.join(WRAPPINGS[recipient.spec])}")
    try:
        return wrap(recipient.algorithm, recipient.public_key, SecretBytes(data_key))
    except ValueError as error:
        raise invalid(
            "PublicKeyBlob", f"it is no {recipient.spec} public key that takes {len(data_key)} bytes"
        ) from error
