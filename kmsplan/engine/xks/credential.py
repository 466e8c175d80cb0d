"""Access keys of a proxy as a file: the form in which consoles of other clouds take them, too (specification)."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Final

import orjson

from kmsplan.engine.xks.signature import Credential
from kmsplan.kms.secret import SecretBytes

if TYPE_CHECKING:
    from collections.abc import Callable

_ID: Final = re.compile(r"[A-Z2-7]{20,30}")
_SECRET: Final = re.compile(r"[A-Za-z0-9+/=]{43,64}")
_SECRET_BYTES: Final = 32
_ID_BYTES: Final = 15
"""24 letters of Base32, without padding."""
FORM: Final = (
    '{"XksProxyUriPath": PATH, "XksProxyAuthenticationCredential": {"AccessKeyId": 20 to 30 of A-Z and 2-7, '
    '"RawSecretAccessKey": 43 to 64 of A-Z, a-z, 0-9, +, / and =}}'
)


class CredentialError(Exception):
    """A text is no access key. The message does not repeat it."""


def generate(entropy: Callable[[int], bytes]) -> Credential:
    """Return a new access key: a random id, and a secret of 256 bits."""
    return Credential(
        access_key_id=base64.b32encode(entropy(_ID_BYTES)).decode("ascii"),
        secret=SecretBytes(base64.b64encode(entropy(_SECRET_BYTES))),
    )


def written(credential: Credential, path: str) -> bytes:
    """Return the file of an access key: JSON, in which the secret stands in clear."""
    secret = credential.secret.reveal().decode("ascii")
    inner = {"AccessKeyId": credential.access_key_id, "RawSecretAccessKey": secret}
    document = {"XksProxyUriPath": path, "XksProxyAuthenticationCredential": inner}
    return orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def read(content: SecretBytes) -> Credential:
    """Return the access key that a file holds.

    Raises:
        CredentialError: it is of another form.
    """
    try:
        found = orjson.loads(content.reveal())["XksProxyAuthenticationCredential"]
        access_key_id, secret = found["AccessKeyId"], found["RawSecretAccessKey"]
        fits = _ID.fullmatch(access_key_id) and _SECRET.fullmatch(secret)
    except (ValueError, KeyError, TypeError):
        raise CredentialError(f"it is not of the form {FORM}") from None
    if not fits:
        raise CredentialError(f"id or secret are not of the form {FORM}")
    return Credential(access_key_id=access_key_id, secret=SecretBytes(secret.encode("ascii")))
