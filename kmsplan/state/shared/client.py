"""Requests to a state server: methods as it wants them, basic authentication, TLS, and plain words for refusals."""

from __future__ import annotations

import base64
import http.client
import ssl
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode, urlsplit

from kmsplan.state.error import StateAccessError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kmsplan.kms.secret import SecretBytes

TIMEOUT: Final = 30.0
"""Seconds for an answer."""
_SHOWN: Final = 200
_REMEDIES: Final[Mapping[int, str]] = {
    401: "It wants a user name and a password: state.http.username and .password, or TF_HTTP_USERNAME and _PASSWORD.",
    403: "The user of state.http.username may not do this, or the password is another one.",
    404: "Check state.http.address, and whether the user of state.http.username may see what is there.",
    405: "Check state.http.lock_address and the methods: GitLab locks with POST and unlocks with DELETE.",
}
_FAILING: Final = (
    "Nothing is lost: what a run has done is in its journal on its machine. Look at the server's log, and run kmsplan "
    "there again."
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server said."""

    status: int
    content: bytes
    etag: str | None


class Client:
    """Asks one server.

    Args:
        secure: whether over TLS.
        username: for basic authentication; None for none.
        password: for the same.
        ca_file: certificates of the authorities to trust, PEM; None for the system's.
    """

    def __init__(
        self,
        *,
        secure: bool,
        username: str | None = None,
        password: SecretBytes | None = None,
        ca_file: str | None = None,
    ) -> None:
        self._username = username
        self._password = password
        handlers: list[urllib.request.BaseHandler] = [_NoRedirects()]
        if secure:
            try:
                context = ssl.create_default_context(cafile=ca_file)
            except OSError as error:
                raise StateAccessError(
                    f"the certificates in {ca_file} cannot be used: {error.strerror or error}",
                    "Name a file with certificates in PEM form: state.http.ca_file.",
                ) from error
            handlers.append(urllib.request.HTTPSHandler(context=context))
        self._opener = urllib.request.build_opener(*handlers)

    def send(
        self,
        method: str,
        address: str,
        content: bytes | None = None,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send one request, and return the answer whatever its status.

        Raises:
            StateAccessError: there is none.
        """
        if query:
            address += ("&" if urlsplit(address).query else "?") + urlencode(query)
        request = urllib.request.Request(address, data=content, method=method)  # noqa: S310 - http and https alone pass
        for name, value in {"Content-Type": "application/json", **self._credentials(), **(headers or {})}.items():
            request.add_unredirected_header(name, value)
        try:
            with self._opener.open(request, timeout=TIMEOUT) as answer:
                return Answer(answer.status, answer.read(), answer.headers.get("ETag"))
        except urllib.error.HTTPError as refused:
            with refused:
                return Answer(refused.code, refused.read(), None)
        except (OSError, UnicodeError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", None) or error
            raise StateAccessError(
                f"the state server {place(address)} cannot be reached: {reason}",
                "Check that it runs and can be reached from here, and state.http.address. What a run has done is in "
                "its journal on its machine: run kmsplan there again.",
            ) from error

    def _credentials(self) -> dict[str, str]:
        if self._username is None and self._password is None:
            return {}
        pair = (self._username or "").encode() + b":" + (self._password.reveal() if self._password else b"")
        return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A write that follows a redirect becomes a read; so none is followed."""

    def redirect_request(self, *_: object) -> None:
        """Refuse."""


def place(address: str) -> str:
    """Return an address without user, password and query, for messages."""
    parts = urlsplit(address)
    return f"{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}{parts.path}"


def refusal(doing: str, address: str, answer: Answer) -> StateAccessError:
    """Return the error for an answer that is none of those that the protocol knows."""
    said = " ".join(answer.content[:_SHOWN].decode("utf-8", "replace").split())
    shown = "".join(char for char in said if char.isprintable())
    return StateAccessError(
        f"the state server {place(address)} refuses {doing}: HTTP {answer.status}{f', {shown}' if shown else ''}",
        _REMEDIES.get(answer.status, _FAILING),
    )
