"""Signing with an asymmetric key over the API: its newest version, and AsymmetricSign."""

from __future__ import annotations

import base64
import binascii
import time
from typing import TYPE_CHECKING, Any

from kmsplan.provider.alibaba.channel import SdkChannel
from kmsplan.provider.alibaba.failure import unreadable
from kmsplan.provider.alibaba.limiter import RATES, Limiter
from kmsplan.provider.alibaba.reads import Reads

if TYPE_CHECKING:
    from collections.abc import Callable

    from kmsplan.provider.alibaba.settings import Settings


class ApiSigner:
    """Signs with one key of the KMS. A repeated signature changes nothing, so that calls are sent like questions."""

    def __init__(self, settings: Settings, key: str, *, entropy: Callable[[int], bytes]) -> None:
        """Find the key and its newest version.

        Args:
            settings: which KMS.
            key: an id, an alias or an ARN.
            entropy: randomness, for jitter.

        Raises:
            KmsError: the SDK is not installed, or there is no such key.
        """
        self._channel = SdkChannel(settings)
        self._endpoint = settings.endpoint
        limiter = Limiter(time.monotonic, time.sleep, RATES if settings.limited else {})
        self._reads = Reads(self._channel, limiter, region=settings.region, entropy=entropy, sleep=time.sleep)
        try:
            self._names = self._newest(key)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close connections."""
        self._channel.close()

    def public_key(self) -> str:
        """Return the version's public key as PEM.

        Raises:
            KmsError: it was refused or failed.
        """
        return str(self._answer("GetPublicKey", {}, "PublicKey"))

    def sign(self, algorithm: str, digest: bytes) -> bytes:
        """Sign a digest.

        Raises:
            KmsError: it was refused or failed.
        """
        query = {"Algorithm": algorithm, "Digest": base64.b64encode(digest).decode()}
        try:
            return base64.b64decode(self._answer("AsymmetricSign", query, "Value"), validate=True)
        except (TypeError, binascii.Error) as error:
            raise unreadable("AsymmetricSign", self._endpoint) from error

    def _newest(self, key: str) -> dict[str, str]:
        """Return key and version as every asymmetric call names them: such a key has no primary version."""
        found = self._reads.ask("DescribeKey", {"KeyId": key})
        try:
            identity = found["KeyMetadata"]["KeyId"]
            versions = self._reads.pages(
                "ListKeyVersions", lambda row: row["KeyVersions"]["KeyVersion"], "KeyVersionId", KeyId=identity
            )
            newest = max(versions, key=lambda version: (version["CreationDate"], version["KeyVersionId"]))
        except (KeyError, TypeError, ValueError) as error:
            raise unreadable("ListKeyVersions", self._endpoint) from error
        return {"KeyId": identity, "KeyVersionId": newest["KeyVersionId"]}

    def _answer(self, action: str, query: dict[str, Any], field: str) -> Any:
        answer = self._reads.ask(action, {**self._names, **query})
        if field not in answer:
            raise unreadable(action, self._endpoint)
        return answer[field]
