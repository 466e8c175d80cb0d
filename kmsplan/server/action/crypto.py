"""Actions that use keys (API reference, "Cryptography")."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from kmsplan.engine.dataplane.crypto import Crypto
from kmsplan.engine.dataplane.datakey import Recipient
from kmsplan.engine.dataplane.password import PasswordRules
from kmsplan.engine.dataplane.symmetric import Source
from kmsplan.kms.error import KmsError
from kmsplan.server.action import shape
from kmsplan.server.action.row import Cryptographic
from kmsplan.server.parameters import DRY_RUN, Parameter, base64, ciphertext, contexts, flag, number, one_of, utf8
from kmsplan.server.rehearsal import Rehearsal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kmsplan.engine.dataplane.answer import Answer
    from kmsplan.server.action.row import Values

DATA_KEY_BYTES: Final = {"AES_256": 32, "AES_128": 16}
"""By KeySpec of GenerateDataKey."""


def _no_recipient(text: str) -> str:
    del text
    raise KmsError("UnsupportedOperation", "Recipient is not supported: this server attests no enclaves.")


_DRY_RUN: Final = Parameter(DRY_RUN, flag)
_CONTEXT: Final = Parameter("EncryptionContext", gather=contexts)
_RECIPIENT: Final = Parameter("Recipient", _no_recipient)
_KEY: Final = Parameter("KeyId", required=True)
_BLOB: Final = Parameter("CiphertextBlob", ciphertext, required=True)
_VERSIONED: Final = (_KEY, Parameter("KeyVersionId", required=True))
_ALGORITHM: Final = Parameter("Algorithm", required=True)
_SIGNING: Final = (*_VERSIONED, _ALGORITHM, Parameter("Digest", base64, required=True))
_AUTHENTICATING: Final = (_KEY, _ALGORITHM, Parameter("Message", base64, required=True))
_LENGTH: Final = (Parameter("KeySpec", one_of(*DATA_KEY_BYTES)), Parameter("NumberOfBytes", number))
_EXPORTING: Final = (
    Parameter("PublicKeyBlob", base64, required=True),
    Parameter("WrappingAlgorithm", required=True),
    Parameter("WrappingKeySpec", required=True),
)
_RE_ENCRYPTING: Final = (
    _BLOB,
    Parameter("DestinationKeyId", required=True),
    Parameter("SourceKeyId"),
    Parameter("SourceKeyVersionId"),
    Parameter("SourceEncryptionAlgorithm"),
    Parameter("SourceEncryptionContext", gather=contexts),
    Parameter("DestinationEncryptionContext", gather=contexts),
)
_EXCLUDING: Final = ("ExcludeLowercase", "ExcludeUppercase", "ExcludeNumbers", "ExcludePunctuation")
_PASSWORD: Final = (
    Parameter("PasswordLength", number),
    Parameter("ExcludeCharacters"),
    *(Parameter(name, flag) for name in _EXCLUDING),
    Parameter("RequireEachIncludedType", flag),
)


def _calling(method: Callable[..., Answer[Any]], *names: str) -> Callable[[Crypto, Values], Answer[Any]]:
    """Return what calls a method with these parameters, None for those that were not sent, and DryRun."""

    def begin(plane: Crypto, values: Values) -> Answer[Any]:
        return method(plane, *map(values.get, names), dry_run=values.get(DRY_RUN, False))

    return begin


def _length(values: Values) -> int:
    """Return the bytes of a data key: NumberOfBytes wins over KeySpec."""
    length = values.get("NumberOfBytes")
    return DATA_KEY_BYTES[values.get("KeySpec", "AES_256")] if length is None else int(length)


def _recipient(values: Values) -> Recipient:
    return Recipient(values["PublicKeyBlob"], values["WrappingKeySpec"], values["WrappingAlgorithm"])


def _generate(*, export: bool) -> Callable[[Crypto, Values], Answer[Any]]:
    def begin(plane: Crypto, values: Values) -> Answer[Any]:
        return plane.generate_data_key(
            values["KeyId"],
            _length(values),
            values.get("EncryptionContext"),
            export=export,
            dry_run=values.get(DRY_RUN, False),
        )

    return begin


def _generate_and_export(plane: Crypto, values: Values) -> Answer[Any]:
    return plane.generate_and_export_data_key(
        values["KeyId"],
        _length(values),
        _recipient(values),
        values.get("EncryptionContext"),
        dry_run=values.get(DRY_RUN, False),
    )


def _export(plane: Crypto, values: Values) -> Answer[Any]:
    return plane.export_data_key(
        values["CiphertextBlob"],
        _recipient(values),
        values.get("EncryptionContext"),
        dry_run=values.get(DRY_RUN, False),
    )


def _re_encrypt(plane: Crypto, values: Values) -> Answer[Any]:
    return plane.re_encrypt(
        values["CiphertextBlob"],
        values["DestinationKeyId"],
        source_context=values.get("SourceEncryptionContext"),
        context=values.get("DestinationEncryptionContext"),
        source=Source(
            values.get("SourceKeyId"), values.get("SourceKeyVersionId"), values.get("SourceEncryptionAlgorithm")
        ),
        dry_run=values.get(DRY_RUN, False),
    )


def _random_password(plane: Crypto, values: Values) -> Answer[Any]:
    return plane.random_password(
        PasswordRules(
            length=values.get("PasswordLength", 32),
            exclude_characters=values.get("ExcludeCharacters", ""),
            excluded=frozenset(name for name in _EXCLUDING if values.get(name)),
            require_each_included_type=values.get("RequireEachIncludedType", True),
        )
    )


def _row(
    parameters: tuple[Parameter, ...],
    begin: Callable[[Crypto, Values], Answer[Any]],
    shown: Callable[[Any], dict[str, Any]],
    *,
    slow: bool = False,
) -> Cryptographic:
    def rehearsable(plane: Crypto, values: Values) -> Answer[Any]:
        made = begin(plane, values)
        return Rehearsal(made) if values.get(DRY_RUN) else made

    return Cryptographic((*parameters, _DRY_RUN), rehearsable, shown, slow)


ROWS: Final[Mapping[str, Cryptographic]] = MappingProxyType(
    {
        "Encrypt": _row(
            (_KEY, Parameter("Plaintext", utf8, required=True), _CONTEXT),
            _calling(Crypto.encrypt, "KeyId", "Plaintext", "EncryptionContext"),
            shape.encrypted,
        ),
        "Decrypt": _row(
            (_BLOB, _CONTEXT, _RECIPIENT),
            _calling(Crypto.decrypt, "CiphertextBlob", "EncryptionContext"),
            shape.decrypted,
        ),
        "GenerateDataKey": _row((_KEY, *_LENGTH, _CONTEXT, _RECIPIENT), _generate(export=True), shape.data_key),
        "GenerateDataKeyWithoutPlaintext": _row((_KEY, *_LENGTH, _CONTEXT), _generate(export=False), shape.encrypted),
        "GenerateAndExportDataKey": _row(
            (_KEY, *_EXPORTING, *_LENGTH, _CONTEXT), _generate_and_export, shape.generated_and_exported, slow=True
        ),
        "ExportDataKey": _row((_BLOB, *_EXPORTING, _CONTEXT), _export, shape.exported, slow=True),
        "ReEncrypt": _row(_RE_ENCRYPTING, _re_encrypt, shape.encrypted, slow=True),
        "AsymmetricEncrypt": _row(
            (*_VERSIONED, _ALGORITHM, Parameter("Plaintext", base64, required=True)),
            _calling(Crypto.asymmetric_encrypt, "KeyId", "KeyVersionId", "Algorithm", "Plaintext"),
            shape.encrypted,
            slow=True,
        ),
        "AsymmetricDecrypt": _row(
            (*_VERSIONED, _ALGORITHM, _BLOB, _RECIPIENT),
            _calling(Crypto.asymmetric_decrypt, "KeyId", "KeyVersionId", "Algorithm", "CiphertextBlob"),
            shape.opened,
            slow=True,
        ),
        "AsymmetricSign": _row(
            _SIGNING,
            _calling(Crypto.sign, "KeyId", "KeyVersionId", "Algorithm", "Digest"),
            shape.signed,
        ),
        "AsymmetricVerify": _row(
            (*_SIGNING, Parameter("Value", base64, required=True)),
            _calling(Crypto.verify, "KeyId", "KeyVersionId", "Algorithm", "Digest", "Value"),
            shape.verified,
        ),
        "GetPublicKey": _row(
            _VERSIONED, _calling(Crypto.public_key, "KeyId", "KeyVersionId"), shape.public_key, slow=True
        ),
        "GenerateMac": _row(
            _AUTHENTICATING, _calling(Crypto.generate_mac, "KeyId", "Algorithm", "Message"), shape.code
        ),
        "VerifyMac": _row(
            (*_AUTHENTICATING, Parameter("Mac", base64, required=True)),
            _calling(Crypto.verify_mac, "KeyId", "Algorithm", "Message", "Mac"),
            shape.checked,
        ),
        "GetRandomPassword": Cryptographic(_PASSWORD, _random_password, shape.password),
    }
)
