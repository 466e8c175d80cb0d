"""The API as a target of imported key material: GetParametersForImport and ImportKeyMaterial."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any, NamedTuple

from kmsplan.provider.alibaba.failure import unreadable

if TYPE_CHECKING:
    from collections.abc import Callable

    from kmsplan.provider.alibaba.reads import Reads

_PARAMETERS = "GetParametersForImport"


class Parameters(NamedTuple):
    """What GetParametersForImport answered."""

    token: bytes
    public_key: bytes


class ApiTarget:
    """Takes material over the API.

    Args:
        reads: asks for parameters, which changes nothing, so that it may be repeated.
        send: sends ImportKeyMaterial with these parameters, once.
        endpoint: for messages.
    """

    def __init__(self, reads: Reads, send: Callable[[dict[str, Any]], object], endpoint: str) -> None:
        self._reads = reads
        self._send = send
        self._endpoint = endpoint

    def parameters_for_import(self, key: str, algorithm: str, spec: str) -> Parameters:
        """Ask for a wrapping key.

        Raises:
            KmsError: it was refused or failed.
        """
        query = {"KeyId": key, "WrappingAlgorithm": algorithm, "WrappingKeySpec": spec}
        answer = self._reads.ask(_PARAMETERS, query)
        try:
            token, public_key = (base64.b64decode(answer[name], validate=True) for name in ("ImportToken", "PublicKey"))
        except (KeyError, TypeError, binascii.Error) as error:
            raise unreadable(_PARAMETERS, self._endpoint) from error
        return Parameters(token, public_key)

    def import_material(self, key: str, wrapped: bytes, token: bytes, expires: int | None) -> None:
        """Send wrapped material.

        Raises:
            KmsError: it was refused or failed.
        """
        self._send(
            {
                "KeyId": key,
                "EncryptedKeyMaterial": base64.b64encode(wrapped).decode(),
                "ImportToken": base64.b64encode(token).decode(),
                "KeyMaterialExpireUnix": expires or 0,
            }
        )
