"""A client that uses keys of a served engine over several connections at once, and writes down what it is answered."""

from __future__ import annotations

import http.client
import itertools
import json
import os
from base64 import b64encode
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.signing import Signer

OK: Final = "OK"
REFUSED: Final = "Rejected.Disabled"
OFF, ON = "DisableKey", "EnableKey"
USES: Final = ("Encrypt", "Decrypt", "GenerateDataKey", "AsymmetricSign")
RECORDED: Final = (*USES, OFF, ON)
"""Actions that the trail tells of, among those that are asked for."""
_CONNECTIONS: Final = 4
_PATIENCE: Final = 10.0
_TEXT: Final = "page one"
_NONE: Final = b64encode(b"nothing").decode()
_DIGEST: Final = b64encode(bytes(32)).decode()
Asked = tuple[str, dict[str, str]]
"""An action and its parameters."""


@dataclass(frozen=True)
class Answer:
    """What a client was answered."""

    action: str
    request: str
    """Its id."""
    code: str
    """`OK`, or the error's."""
    sent: int
    """When, by a clock that counts what is sent and what is answered."""
    answered: int
    blob: str
    plain: str
    """What is encrypted in the blob."""

    def __str__(self) -> str:
        return f"{self.action} {self.request}"

    @property
    def counts(self) -> bool:
        """Whether it has to be in the trail; what failed may be there or not."""
        return self.action in RECORDED and self.code in (OK, REFUSED)

    def is_in(self, places: dict[str, dict[str, Any]]) -> bool:
        """Return whether the trail tells of it."""
        entry = places.get(self.request)
        return entry is not None and (entry["action"], entry["result"]) == (self.action, self.code)


@dataclass
class Client:
    """Asks over several connections, and writes down what it was answered, at once."""

    signer: Signer
    journal: int
    """A descriptor."""
    _clock: Iterator[int] = field(default_factory=itertools.count)
    _connections: list[http.client.HTTPConnection] = field(init=False)

    def __post_init__(self) -> None:
        """Have the connections; each is made when it is first used, and again when it was cut."""
        endpoint = self.signer.endpoint
        self._connections = [http.client.HTTPConnection(endpoint, timeout=_PATIENCE) for _ in range(_CONNECTIONS)]

    def ask(self, *asked: Asked) -> list[dict[str, Any]]:
        """Ask all of it at once, one over each connection; return what was answered, nothing where that never came.

        Raises:
            ConnectionRefusedError: nobody serves.
        """
        sent = [self._send(each, one) for each, one in zip(self._connections, asked, strict=False)]
        pairs = zip(self._connections, asked, sent, strict=False)
        return [{} if time is None else self._receive(each, one, time) for each, one, time in pairs]

    def _send(self, connection: http.client.HTTPConnection, asked: Asked) -> int | None:
        action, parameters = asked
        query, headers = self.signer.request(action, parameters)
        time = next(self._clock)
        try:
            connection.request("POST", f"/?{query}", headers=headers)
        except ConnectionRefusedError:
            raise
        except (OSError, http.client.HTTPException):
            connection.close()
            return None
        return time

    def _receive(self, connection: http.client.HTTPConnection, asked: Asked, sent: int) -> dict[str, Any]:
        try:
            response = connection.getresponse()
            body: dict[str, Any] = json.loads(response.read())
        except (OSError, http.client.HTTPException):
            connection.close()
            return {}
        action, parameters = asked
        answer = Answer(
            action=action,
            request=body.get("RequestId", ""),
            code=body.get("Code", OK),
            sent=sent,
            answered=next(self._clock),
            blob=body.get("CiphertextBlob", ""),
            plain=parameters.get("Plaintext", body.get("Plaintext", "")),
        )
        os.write(self.journal, f"{json.dumps(asdict(answer))}\n".encode())
        return body


def use_keys(client: Client, kill_workers: Callable[[], None]) -> None:
    """Use keys, while workers are killed once, and one key is disabled for a while.

    Raises:
        ConnectionRefusedError: nobody serves.
    """
    found = client.ask(*(("DescribeKey", {"KeyId": f"alias/{name}"}) for name in ("data", "other", "pair")))
    data, other, pair = (one.get("KeyMetadata", {}).get("KeyId", "none") for one in found)
    (listed,) = client.ask(("ListKeyVersions", {"KeyId": pair}))
    version = next((one["KeyVersionId"] for one in listed.get("KeyVersions", {}).get("KeyVersion", [])), "none")
    signing = {"KeyId": pair, "KeyVersionId": version, "Algorithm": "ECDSA_SHA_256", "Digest": _DIGEST}
    encrypt, more = ("Encrypt", {"KeyId": data, "Plaintext": _TEXT}), ("GenerateDataKey", {"KeyId": data})
    sign, elsewhere = ("AsymmetricSign", signing), ("Encrypt", {"KeyId": other, "Plaintext": _TEXT})
    blob = client.ask(encrypt, more, sign, elsewhere)[0].get("CiphertextBlob", _NONE)
    decrypt = ("Decrypt", {"CiphertextBlob": blob})
    for _ in range(2):
        client.ask(decrypt, encrypt, more, sign)
        client.ask(elsewhere, sign, encrypt, decrypt)
    kill_workers()
    client.ask(encrypt, sign, decrypt, more)  # most of this finds its connection broken
    client.ask(encrypt, sign, decrypt, more)
    client.ask(encrypt, (OFF, {"KeyId": data}), sign, more)
    client.ask(encrypt, decrypt, sign, elsewhere)
    client.ask((ON, {"KeyId": data}), encrypt, sign, elsewhere)
    client.ask((ON, {"KeyId": data}))  # the last one may have come before the other change
    client.ask(encrypt, decrypt, sign, more)
