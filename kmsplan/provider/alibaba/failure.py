"""What went wrong with a call, as a KmsError: was it answered, may it have happened, is another attempt worth it.

1. An answer with a code of the KMS means what the error table says; an unknown code, what its HTTP status says.
2. Without an answer it depends on how far the request got: never sent is final, anything later is in doubt.
"""

from __future__ import annotations

import ssl
from contextlib import contextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from kmsplan.kms.error import ERRORS, ErrorFacts, KmsError
from kmsplan.provider.alibaba.limiter import only_reads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

NOT_SENT: Final = "Connection.Failed"
LOST: Final = "Connection.Lost"
UNREADABLE: Final = "Answer.Unreadable"
NO_CREDENTIALS: Final = "Credentials.Missing"
REPEATED: Final = "SignatureNonceUsed"

_STATUSES: Final[tuple[tuple[int, int, ErrorFacts], ...]] = (
    (429, 429, ErrorFacts(429, "Too many requests.", retry=True)),
    (400, 499, ErrorFacts(400, "The request was refused.")),
    (500, 599, ErrorFacts(500, "The server failed.", retry=True, in_doubt=True)),
)
"""Of answers whose code the error table does not have: from status, to status, facts."""
_STRANGER: Final = frozenset(
    {"InvalidAccessKeyId.NotFound", "InvalidAccessKeyId.Inactive", "SignatureDoesNotMatch", "IncompleteSignature"}
)
"""Codes that say that the KMS does not know who calls: it helps to know which of several places was looked in."""
_SOURCES: Final = (
    ("env", "ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET"),
    ("oidc_role_arn", "the role ALIBABA_CLOUD_ROLE_ARN"),
    ("cli_profile", "~/.aliyun/config.json"),
    ("profile", "~/.alibabacloud/credentials.ini, or what ALIBABA_CLOUD_CREDENTIALS_FILE names"),
    ("ecs_ram_role", "the machine's role"),
    ("credential_uri", "what ALIBABA_CLOUD_CREDENTIALS_URI names"),
)
"""By what the SDK calls a place where credentials are found: its name for users."""
_NEVER_SENT: Final = frozenset(
    {
        "CERTIFICATE_VERIFY_FAILED",
        "WRONG_VERSION_NUMBER",
        "SSLV3_ALERT_HANDSHAKE_FAILURE",
        "TLSV1_ALERT_PROTOCOL_VERSION",
        "UNSUPPORTED_PROTOCOL",
        "NO_PROTOCOLS_AVAILABLE",
    }
)
"""OpenSSL's reasons of a handshake that failed; only after it is anything sent."""
_AUTHORITY: Final = " Name the authority that signed its certificate as engine: {alibaba: {ca_file: ...}}."
_OTHER_NAME: Final = (
    " Its certificate is for another name: write engine: {alibaba: {endpoint: ...}} as the certificate has it."
)
_NOT_NOW: Final = " Its certificate has another time: look at this machine's clock; else it has to be renewed there."
_LOOK: Final = "Look whether the endpoint is a KMS, and what is between it and this machine."
_VERIFYING: Final[Mapping[int, str]] = MappingProxyType({9: _NOT_NOW, 10: _NOT_NOW, 62: _OTHER_NAME, 64: _OTHER_NAME})
"""By OpenSSL's verify code (X509_V_ERR_...): what to do; of all others it is the authority that is not trusted."""


class CallError(KmsError):
    """A call that failed, and what is known of it."""

    def __init__(
        self,
        code: str,
        message: str,
        facts: ErrorFacts,
        *,
        status: int = 0,
        request_id: str | None = None,
        wait: float = 0.0,
    ) -> None:
        super().__init__(code, message, request_id=request_id, facts=facts)
        self.status = status
        """Of the HTTP answer; 0 where there was none."""
        self.wait = wait
        """Seconds that the KMS wants to be left alone."""

    @property
    def answered(self) -> bool:
        """Whether the KMS itself answered, so that nothing of the call is under way any more."""
        return self.request_id is not None


def answered(
    status: int, body: Mapping[str, Any], *, action: str, wait: float = 0.0, source: Callable[[], str] = str
) -> CallError:
    """Return the error of an answer; `source` tells where the credentials were found, if that matters."""
    code = str(body.get("Code") or body.get("code") or f"HTTP {status}")
    message = str(body.get("Message") or body.get("message") or f"{action} was answered with HTTP status {status}")
    if code == "Forbidden.NoPermission":
        message += f" The credentials need the permission kms:{action}."
    if code in _STRANGER:
        found = source().split("/")
        message += next((f" The access key is from {words}." for name, words in _SOURCES if name in found), "")
    request_id = body.get("RequestId") or body.get("requestId")
    return CallError(
        code,
        message,
        _facts(status, code),
        status=status,
        request_id=str(request_id) if request_id else None,
        wait=wait,
    )


def _facts(status: int, code: str) -> ErrorFacts:
    known = ERRORS.get(code)
    if known is not None:
        return known
    if code.startswith("Throttling"):
        return ERRORS["Throttling"]
    return next((facts for low, high, facts in _STATUSES if low <= status <= high), _STATUSES[-1][2])


def unanswered(error: BaseException, *, action: str, endpoint: str) -> CallError:
    """Return the error of a call that the KMS has not answered, or not in its own words."""
    chain = tuple(_chain(error))
    handshake = next((link for link in chain if isinstance(link, ssl.SSLError)), None)
    if handshake is not None:
        return _tls(action, endpoint, handshake)
    for names, told in _KINDS:
        found = next((link for link in chain if type(link).__name__ in names), None)
        if found is not None:
            return told(action, endpoint, found)
    return _lost(action, endpoint, chain[-1])


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield the error and what it came from, outermost first: the SDK wraps what `requests` and urllib3 wrap."""
    seen: set[int] = set()
    pending: list[object] = [error]
    while pending:
        link = pending.pop(0)
        if isinstance(link, BaseException) and id(link) not in seen:
            seen.add(id(link))
            yield link
            reason = getattr(link, "reason", None)
            pending += [getattr(link, "inner_exception", None), link.__cause__, link.__context__, reason, *link.args]


def _not_sent(action: str, endpoint: str, error: BaseException, *, retry: bool = True, hint: str = "") -> CallError:
    message = f"{action} was not sent: {endpoint} cannot be reached ({_words(error)}).{hint} Nothing was done."
    return CallError(NOT_SENT, message, ErrorFacts(0, message, retry=retry, unreachable=True))


def _tls(action: str, endpoint: str, error: ssl.SSLError) -> CallError:
    if error.reason in _NEVER_SENT:
        hint = (
            _VERIFYING.get(getattr(error, "verify_code", 0), _AUTHORITY)
            if error.reason == "CERTIFICATE_VERIFY_FAILED"
            else " Look whether endpoint and protocol are right."
        )
        return _not_sent(action, endpoint, error, retry=False, hint=hint)
    return _lost(action, endpoint, error)


def _proxy(action: str, endpoint: str, error: BaseException) -> CallError:
    hint = " Look at the proxy that HTTPS_PROXY or HTTP_PROXY names; what is reached without it stands in NO_PROXY."
    return _not_sent(action, endpoint, error, hint=hint)


def _lost(action: str, endpoint: str, error: BaseException) -> CallError:
    message = f"{action} was sent to {endpoint}, and no answer came ({_words(error)}). {_effect(action)}"
    return CallError(LOST, message, ErrorFacts(0, message, retry=True, in_doubt=True))


def unreadable(action: str, endpoint: str, error: BaseException | None = None) -> CallError:
    """Return the error of an answer that is not what an answer is."""
    del error  # it may quote the answer
    message = f"{action} was answered by {endpoint} with something that is no JSON. {_effect(action)} {_LOOK}"
    return CallError(UNREADABLE, message, ErrorFacts(0, message, retry=True, in_doubt=True))


@contextmanager
def shaped(action: str) -> Iterator[None]:
    """Within it an answer is taken apart that is JSON; what is not there is told, and taken for nothing else.

    Raises:
        CallError: something that the API's answer has is missing, or of another type.
    """
    try:
        yield
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        what = f"{error.args[0]} is missing" if isinstance(error, KeyError) else "a value has another type"
        message = f"{action} was answered in another form than the API's: {what}. {_LOOK}"
        raise CallError(UNREADABLE, message, ErrorFacts(0, message)) from error


def _effect(action: str) -> str:
    return "It changes nothing." if only_reads(action) else "It may have been carried out."


def _credentials(action: str, endpoint: str, error: BaseException) -> CallError:
    del error, endpoint  # the SDK's text names every source it tried, and may quote what it found there
    message = (
        f"no credentials were found, so {action} was not sent. Set ALIBABA_CLOUD_ACCESS_KEY_ID and "
        "ALIBABA_CLOUD_ACCESS_KEY_SECRET, write a profile file (~/.alibabacloud/credentials.ini), or run where a RAM "
        "role is attached."
    )
    return CallError(NO_CREDENTIALS, message, ErrorFacts(0, message))


def _unsendable(action: str, endpoint: str, error: BaseException) -> CallError:
    del endpoint, error  # it quotes the header, which has the access key's id in it
    message = (
        f"the access key cannot be sent as it was found, so {action} was not: its id, or the security token, has a "
        "line break in it, or a character that is not ASCII. Look at ALIBABA_CLOUD_ACCESS_KEY_ID, or at the profile "
        "file."
    )
    return CallError(NO_CREDENTIALS, message, ErrorFacts(0, message))


def _words(error: BaseException) -> str:
    """Return what happened in words, without addresses of objects."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return f"{type(error).__name__}: {str(text).rpartition('>: ')[2]}"[:200]


_KINDS: Final = (
    (frozenset({"CredentialException"}), _credentials),
    (frozenset({"InvalidHeader", "UnicodeEncodeError"}), _unsendable),
    (frozenset({"ProxyError"}), _proxy),
    (frozenset({"NameResolutionError", "NewConnectionError", "ConnectTimeoutError"}), _not_sent),
    (frozenset({"JSONDecodeError", "UnicodeDecodeError"}), unreadable),
)
"""Names of exception classes, which belong to libraries that are not imported here, and who tells them."""
