"""One call of the API, through the generic client of the official SDK.

`alibabacloud_kms20160120` adds to that client a method and two models for each of 91 actions: 0.1 s more at every
start, and no way to call an action, or to read a field, that it does not know. What goes over the wire is the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

from kmsplan.kms.error import KmsError
from kmsplan.provider.alibaba import failure

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kmsplan.provider.alibaba.settings import Settings

VERSION: Final = "2016-01-20"
IDENTITY_VERSION: Final = "2015-04-01"
"""Of the Security Token Service."""
CONNECTIONS: Final = 64
"""Kept open at most: as many as changes are carried out at once."""
_MILLISECONDS: Final = 1000
_SESSION_PORT: Final = 80
"""What the SDK calls every endpoint's port when it names its connections; the real one is part of the endpoint."""


class Channel(Protocol):
    """Calls the KMS."""

    def call(
        self,
        action: str,
        query: Mapping[str, Any],
        *,
        nonce: str | None = None,
        version: str = VERSION,
        endpoint: str | None = None,
    ) -> dict[str, Any]:
        """Call an action, once, and return its answer.

        Args:
            action: the API's name.
            query: parameters by their names on the wire; lists and mappings are flattened as the API wants it.
            nonce: names this call, so that the KMS takes no second copy of it; None: any.
            version: of the API.
            endpoint: of another service, with the same credentials.

        Raises:
            CallError: it failed.
        """

    def close(self) -> None:
        """Close connections."""


class SdkChannel:
    """The SDK's client for one endpoint; safe to call from several threads."""

    def __init__(self, settings: Settings, credentials: Any = None) -> None:
        """Import the SDK and prepare; nothing is sent, and no credentials are looked for yet.

        Args:
            settings: which KMS.
            credentials: the SDK's credentials client; None: its default chain.

        Raises:
            KmsError: the SDK is not installed.
        """
        try:
            from alibabacloud_tea_openapi import client, utils_models  # noqa: PLC0415 - 0.3 s, and an extra
            from alibabacloud_tea_openapi.utils import Utils  # noqa: PLC0415
            from darabonba.runtime import RuntimeOptions  # noqa: PLC0415
        except ImportError as error:
            raise KmsError(
                "SdkMissing",
                "engine: {alibaba: ...} needs Alibaba Cloud's SDK, which is not installed. Install it with kmsplan's "
                "extra: pip install 'kmsplan[alibaba]'.",
            ) from error
        from alibabacloud_credentials.client import Client as Credentials  # noqa: PLC0415

        self._models, self._flatten, self._runtime = utils_models, Utils.query, RuntimeOptions
        self._settings = settings
        self._credentials = credentials or Credentials()
        self._open = client.Client
        self._clients = {settings.endpoint: self._client(settings.endpoint, settings.protocol)}

    def _client(self, endpoint: str, protocol: str) -> Any:
        settings = self._settings
        _prepare_session(protocol, endpoint)
        return self._open(
            self._models.Config(
                credential=self._credentials,
                endpoint=endpoint,
                protocol=protocol,
                region_id=settings.region,
                ca=settings.ca_file,
                connect_timeout=int(settings.connect_timeout * _MILLISECONDS),
                read_timeout=int(settings.read_timeout * _MILLISECONDS),
                max_idle_conns=CONNECTIONS,
                user_agent="kmsplan",
            )
        )

    def call(
        self,
        action: str,
        query: Mapping[str, Any],
        *,
        nonce: str | None = None,
        version: str = VERSION,
        endpoint: str | None = None,
    ) -> dict[str, Any]:
        """Call an action; see `Channel`."""
        where = endpoint or self._settings.endpoint
        client = self._clients.get(where) or self._client(where, "https")
        parameters = self._models.Params(
            action=action,
            version=version,
            protocol="HTTPS",
            pathname="/",
            method="POST",
            auth_type="AK",
            style="RPC",
            req_body_type="formData",
            body_type="json",
        )
        # A header of the request stands before the SDK's own of that name, and is signed like it.
        headers = {} if nonce is None else {"x-acs-signature-nonce": nonce}
        request = self._models.OpenApiRequest(query=self._flatten(dict(query)), headers=headers)
        try:
            body = client.call_api(parameters, request, self._runtime())["body"]
        except Exception as error:  # noqa: BLE001 - the SDK raises what the libraries below it raise
            failed = self._failed(error, action, where)
        else:
            if isinstance(body, dict):
                return body
            failed = failure.unreadable(action, where)
        raise failed

    def _failed(self, error: Exception, action: str, endpoint: str) -> failure.CallError:
        status, body = getattr(error, "status_code", None), getattr(error, "data", None)
        if isinstance(status, int) and isinstance(body, dict):
            wait = (getattr(error, "retry_after", None) or 0) / _MILLISECONDS
            return failure.answered(status, body, action=action, wait=wait, source=self._source)
        return failure.unanswered(error, action=action, endpoint=endpoint)

    def _source(self) -> str:
        """Return where the credentials were found, as the SDK calls it; nothing where they are no longer to be had."""
        try:
            return str(self._credentials.get_credential().provider_name)
        except Exception:  # noqa: BLE001 - what is told is another failure, and this one would hide it
            return ""

    def close(self) -> None:
        """Close the connections that the SDK keeps for this endpoint, for ever and for all clients."""
        from darabonba.core import DaraCore  # noqa: PLC0415 - imported by now

        prefixes = tuple(f"{protocol}://{endpoint}:" for endpoint in self._clients for protocol in ("http", "https"))
        sessions = DaraCore._sessions  # noqa: SLF001 - the SDK has no way to close a connection
        for name in [name for name in sessions if name.startswith(prefixes)]:
            sessions.pop(name).close()


def _prepare_session(protocol: str, endpoint: str) -> None:
    """Make the connections that the SDK will use for an endpoint, and let it neither forget NO_PROXY nor be led away.

    The SDK takes a proxy from the environment and asks for no exception from it; and it follows wherever an answer
    points, also to plain http and with the request's headers.
    """
    from darabonba.core import DaraCore  # noqa: PLC0415 - imported by now

    name = f"{protocol}://{endpoint}:{_SESSION_PORT}:pool={CONNECTIONS}"
    if name not in DaraCore._sessions:  # noqa: SLF001 - the SDK has no setting for either
        session = DaraCore._get_session(name, protocol, pool_size=CONNECTIONS)  # noqa: SLF001
        session.send = _direct(session.send)


def _direct(send: Callable[..., Any]) -> Callable[..., Any]:
    from requests.utils import should_bypass_proxies  # noqa: PLC0415 - the SDK has imported it by now

    def sending(request: Any, **options: Any) -> Any:
        if should_bypass_proxies(request.url, no_proxy=None):
            options["proxies"] = {}
        return send(request, **{**options, "allow_redirects": False})

    return sending
