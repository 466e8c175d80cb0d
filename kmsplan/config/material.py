"""Key material to import (BYOK): from what is found to what the KMS takes, and why that may not be.

Symmetric material is as many bytes as its spec says. A private key is PKCS#8 (RFC 5958), which is checked whole: its
algorithm, its size or curve, and that its numbers fit together. No message says anything of the content but its length.
"""

from __future__ import annotations

import base64
import binascii
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import orjson

from kmsplan.config.codes import CODES
from kmsplan.config.diagnostic import ConfigurationError, Diagnostic
from kmsplan.config.secret import resolve
from kmsplan.kms.secret import SecretBytes
from kmsplan.kms.spec import SPECS, Family, KeySpec
from kmsplan.resource.material import BASE64

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kmsplan.config.configuration import Configuration, SecretReference

SM2_BYTES: Final = 32
"""An EC_SM2 key is imported as its private number alone."""
_PEM: Final = b"-----BEGIN "
_HINT: Final = " If it is written as Base64, say `format: base64`."


class Materials:
    """Finds the material that a configuration's keys are to have.

    Args:
        configuration: says where.
        environ: the environment.
    """

    def __init__(self, configuration: Configuration, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._references = {
            _canonical(configuration.desired[address].attributes["material"]): reference
            for address, reference in configuration.materials.items()
        }

    def find(self, material: Mapping[str, Any], spec: str) -> SecretBytes:
        """Return material in the form that is wrapped and sent.

        Args:
            material: as the key's attribute says where it is.
            spec: the key's.

        Raises:
            ConfigurationError: it is not there, cannot be read, or does not fit the spec.
            KeyError: the configuration speaks of no such material.
        """
        return read(self._references[_canonical(material)], material, spec, self._environ)


def _canonical(material: Mapping[str, Any]) -> bytes:
    return orjson.dumps(material, option=orjson.OPT_SORT_KEYS)


class UnfitMaterialError(Exception):
    """Material that a spec does not take. The message is a sentence about it, without its content."""


def read(reference: SecretReference, material: Mapping[str, Any], spec: str, environ: Mapping[str, str]) -> SecretBytes:
    """Return the material that a configuration refers to, in the form that is wrapped and sent.

    Args:
        reference: where it is found.
        material: the attribute, which says its format.
        spec: the key's.
        environ: the environment.

    Raises:
        ConfigurationError: it is not there, cannot be read, or does not fit the spec.
    """
    content = resolve(reference, environ, exact=True)
    try:
        return decode(content, str(material["format"]), KeySpec(spec))
    except UnfitMaterialError as error:
        raise ConfigurationError(
            (Diagnostic(code="K607", summary=CODES["K607"], detail=str(error), span=reference.span),)
        ) from None


def decode(content: SecretBytes, written: str, spec: KeySpec) -> SecretBytes:
    """Return material in the form that is wrapped.

    Args:
        content: what was found.
        written: raw or base64.
        spec: the key's.

    Raises:
        UnfitMaterialError: it does not fit.
    """
    data = _from_base64(content.reveal()) if written == BASE64 else content.reveal()
    size = SM2_BYTES if SPECS[spec].family is Family.SM2 else SPECS[spec].material_bytes
    if size is None:
        return _private_key(data, spec)
    if len(data) != size:
        hint = "" if written == BASE64 else _HINT
        raise UnfitMaterialError(f"The material has {len(data)} bytes, and {spec} takes {size}.{hint}")
    return SecretBytes(data)


def file_problem(path: Path, written: str, spec: KeySpec) -> str | None:
    """Return what the size alone of a file says against it, or None; a file that is not here says nothing."""
    size = SM2_BYTES if SPECS[spec].family is Family.SM2 else SPECS[spec].material_bytes
    try:
        found = path.stat().st_size if path.is_file() else None
    except (OSError, ValueError):
        return None
    if found is None or size is None or written == BASE64 or found == size:
        return None
    return f"The file has {found} bytes, and {spec} takes {size}.{_HINT}"


def _from_base64(text: bytes) -> bytes:
    try:
        return base64.b64decode(b"".join(text.split()), validate=True)
    except binascii.Error:
        raise UnfitMaterialError("The material is not Base64, as `format: base64` says.") from None


def _private_key(data: bytes, spec: KeySpec) -> SecretBytes:
    """Return a private key as PKCS#8 DER."""
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 - only what imports needs cryptography
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415

    load: Any = serialization.load_pem_private_key if data[:512].lstrip().startswith(_PEM) else None
    try:
        key = (load or serialization.load_der_private_key)(data, None)
    except TypeError:
        raise UnfitMaterialError("The private key is protected by a passphrase. Give it without one.") from None
    except (ValueError, UnsupportedAlgorithm):
        raise UnfitMaterialError(f"The material is no intact private key (PKCS#8, DER or PEM).{_HINT}") from None
    _check_spec(key, spec)
    return SecretBytes(
        key.private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


def _check_spec(key: Any, spec: KeySpec) -> None:
    from cryptography.hazmat.primitives.asymmetric import ec, rsa  # noqa: PLC0415 - as above

    facts = SPECS[spec]
    if isinstance(key, rsa.RSAPrivateKey):
        found, fits = f"RSA of {key.key_size} bits", facts.family is Family.RSA and key.key_size == facts.bits
    elif isinstance(key, ec.EllipticCurvePrivateKey):
        found, fits = f"on the curve {key.curve.name}", key.curve.name == facts.curve
    else:
        found, fits = "of another algorithm", False
    if not fits:
        raise UnfitMaterialError(f"The private key is {found}, which is not {spec}.")
