"""What the data plane's results look like on the wire (API reference, response parameters)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kmsplan.server.action.row import text64

if TYPE_CHECKING:
    from kmsplan.server.action.row import Shape


def encrypted(result: Any) -> Shape:
    """Show a ciphertext."""
    return {"CiphertextBlob": text64(result.blob), "KeyId": result.key_id, "KeyVersionId": result.version_id}


def decrypted(result: Any) -> Shape:
    """Show a plaintext. The API encrypts texts and gives back texts; what was encrypted elsewhere comes in Base64."""
    try:
        plaintext = result.plaintext.decode()
    except UnicodeDecodeError:
        plaintext = text64(result.plaintext)
    return {"KeyId": result.key_id, "KeyVersionId": result.version_id, "Plaintext": plaintext}


def data_key(result: Any) -> Shape:
    """Show a data key and its ciphertext."""
    return {**encrypted(result), "Plaintext": text64(result.plaintext)}


def exported(result: Any) -> Shape:
    """Show a data key under its recipient's public key."""
    return _of_key(result, ExportedDataKey=text64(result.exported))


def generated_and_exported(result: Any) -> Shape:
    """Show the same with the data key's ciphertext."""
    return {**exported(result), "CiphertextBlob": text64(result.blob)}


def signed(result: Any) -> Shape:
    """Show a signature."""
    return {"KeyId": result.key_id, "KeyVersionId": result.version_id, "Value": text64(result.signature)}


def verified(result: Any) -> Shape:
    """Show whether a signature holds."""
    return _of_key(result, Value=result.holds)


def opened(result: Any) -> Shape:
    """Show what a private key decrypted, in Base64 as it was given."""
    return _of_key(result, Plaintext=text64(result.plaintext))


def public_key(result: Any) -> Shape:
    """Show a public key."""
    return _of_key(result, PublicKey=result.pem)


def code(result: Any) -> Shape:
    """Show a message authentication code."""
    return {"Algorithm": result.algorithm, "KeyId": result.key_id, "Mac": text64(result.mac)}


def checked(result: Any) -> Shape:
    """Show whether a code is the message's."""
    return {"Algorithm": result.algorithm, "KeyId": result.key_id, "Value": result.holds}


def password(result: Any) -> Shape:
    """Show a password."""
    return {"RandomPassword": result}


def _of_key(result: Any, **fields: Any) -> Shape:
    return {**fields, "KeyId": result.key_id, "KeyVersionId": result.version_id}
