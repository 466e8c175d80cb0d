"""Import tokens: what ties wrapped material to the key that asked for it, and to the key pair that unwraps it.

A token is a box of the keyring (AES-256-GCM), so that whoever sends one back has it from here, for this key, algorithm
and time. The key pair is found by the token's hash: boxed in the database, or in the HSM of a hardware instance. An
HSM's is written down before it is made, and forgotten once it is destroyed, so that a crash leaves none behind.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Final, NamedTuple

from kmsplan.engine import moment
from kmsplan.engine.error import MaterialCorruptError
from kmsplan.engine.keyring import Binding
from kmsplan.engine.keystore import token as tokens
from kmsplan.kms.error import KmsError
from kmsplan.kms.secret import SecretBytes
from kmsplan.kms.wrapping import TOKEN_SECONDS

if TYPE_CHECKING:
    from kmsplan.engine.core import Core
    from kmsplan.engine.keystore.connection import Connection
    from kmsplan.engine.keystore.key import KeyRow
    from kmsplan.engine.keystore.token import TokenRow
    from kmsplan.kms.wrapping import Wrapping

LIMIT: Final = 100
"""Tokens of one key at a time: an HSM has room for so many key pairs."""
LONGEST: Final = 2048
"""Bytes; ours are shorter."""
_BINDING: Final = Binding(table="import token", row="")
_NONCE_BYTES: Final = 16


class Token(NamedTuple):
    """A token that was sent back and holds."""

    algorithm: str
    private_key: SecretBytes | None
    """PKCS#8 DER of the wrapping key; None where it is in the HSM."""
    reference: bytes | None
    """Of the wrapping key in the HSM."""


class Issued(NamedTuple):
    """A new token, and its row for the database."""

    token: bytes
    row: TokenRow


def issue(
    core: Core,
    key: KeyRow,
    wrapping: Wrapping,
    *,
    private_key: SecretBytes | None = None,
    reference: bytes | None = None,
) -> Issued:
    """Return a new token for a key; nothing is written yet.

    Args:
        core: the engine.
        key: the key that takes the material.
        wrapping: the algorithm that is asked for.
        private_key: PKCS#8 DER of the wrapping key, where it is kept here.
        reference: of the wrapping key in the HSM, else.
    """
    keyring, expires = core.opened(), moment.later(core.now(), TOKEN_SECONDS)
    content = {
        "algorithm": wrapping.name,
        "expires": expires,
        "key": key.key_id,
        "nonce": core.world.entropy(_NONCE_BYTES).hex(),
    }
    token = keyring.box(_BINDING, json.dumps(content).encode())
    token_id = hashlib.sha256(token).digest()
    boxed = None if private_key is None else keyring.box(_pair(token_id, key.key_id, wrapping), private_key.reveal())
    row = tokens.TokenRow(
        token_id=token_id,
        key_id=key.key_id,
        instance_id=key.instance_id,
        spec=wrapping.spec,
        algorithm=wrapping.name,
        private_key=boxed,
        reference=reference,
        expires=expires,
    )
    return Issued(token, row)


def keep(db: Connection, row: TokenRow, now: str) -> None:
    """Write a token down, and remove expired ones whose key pairs are in no HSM.

    Raises:
        KmsError: the key has as many tokens as it may.
    """
    for old in tokens.expired(db, now):
        if old.reference is None:
            tokens.remove(db, old.token_id)
    if tokens.count(db, row.key_id) >= LIMIT:
        raise KmsError(
            "Rejected.LimitExceeded",
            f"{row.key_id} has {LIMIT} import tokens that have not expired. Use one: each is good for 24 hours.",
        )
    tokens.insert(db, row)


def redeem(core: Core, token: bytes, key_id: str, now: str) -> Token:
    """Return what a token stands for.

    Raises:
        KmsError: it was altered, is another key's or another engine's, or has expired.
    """
    content = _opened(core, token)
    if content.get("key") != key_id:
        raise _invalid()
    if content["expires"] <= now:
        raise KmsError("ExpiredImportToken", f"The import token has expired at {content['expires']}; ask for another.")
    token_id = hashlib.sha256(token).digest()
    with core.store.read() as db:
        row = tokens.load(db, token_id)
    if row is None:
        raise _invalid()
    if row.private_key is None:
        return Token(row.algorithm, None, row.reference)
    binding = _binding(token_id, row.key_id, row.algorithm, row.spec)
    return Token(row.algorithm, SecretBytes(core.opened().unbox(binding, row.private_key)), None)


def _opened(core: Core, token: bytes) -> dict[str, str]:
    """Open the box."""
    if len(token) > LONGEST:
        raise _invalid()
    try:
        content: dict[str, str] = json.loads(core.opened().unbox(_BINDING, token))
    except MaterialCorruptError as error:
        raise _invalid() from error
    return content


def _invalid() -> KmsError:
    return KmsError("InvalidImportToken", "The import token is not valid: it is altered, or was given for another key.")


def _pair(token_id: bytes, key_id: str, wrapping: Wrapping) -> Binding:
    return _binding(token_id, key_id, wrapping.name, wrapping.spec)


def _binding(token_id: bytes, key_id: str, algorithm: str, spec: str) -> Binding:
    return Binding(table="import_token", row=token_id.hex(), key_id=key_id, spec=spec, usage=algorithm)
