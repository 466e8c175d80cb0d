"""`engine: {alibaba: ...}`: its form, and what can be said of it without asking anybody."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from kmsplan.config.secret import absolute
from kmsplan.kms.external import is_loopback
from kmsplan.kms.naming import format_duration, parse_duration

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from kmsplan.config.expand import Expanded
    from kmsplan.config.objects import Objects
    from kmsplan.config.problems import Problems

ENDPOINT: Final = r"^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?)(:[0-9]{1,5})?$"
REGION: Final = r"^[a-z][a-z0-9-]{1,40}$"
_DURATION: Final = r"^[0-9]{1,9}[dhms]$"
_CODE: Final = "K423"
_CLOUD: Final = ".aliyuncs.com"
_LONGEST: Final = 3600
"""Seconds that a connection or an answer is waited for at most."""

_PLAIN: Final = (
    "Plain http is for endpoints on this machine (localhost, 127.0.0.1): on a network anybody could read and answer. "
    "Use https, with `ca_file` where the certificate is your own."
)

ALIBABA_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "description": "Alibaba Cloud KMS, or a served kmsplan engine. Credentials come from the environment, a profile "
    "file or a role, never from here.",
    "required": ["region"],
    "additionalProperties": False,
    "properties": {
        "region": {"type": "string", "pattern": REGION, "description": "For example cn-hangzhou."},
        "account": {
            "type": "string",
            "pattern": "^[0-9]{1,20}$",
            "description": "The account's number. Default: that of the credentials. Others are refused.",
        },
        "endpoint": {
            "type": "string",
            "pattern": ENDPOINT,
            "description": "HOST or HOST:PORT, of a served kmsplan engine, for example. Default: the region's.",
        },
        "vpc": {"type": "boolean", "description": "Use the region's endpoint inside of VPCs. Default: false."},
        "protocol": {
            "enum": ["https", "http"],
            "description": "Default: https. Plain http is for endpoints on this machine.",
        },
        "ca_file": {
            "type": "string",
            "minLength": 1,
            "description": "Certificates of the authorities to trust, PEM. Default: the public ones.",
        },
        "rate_limits": {
            "enum": ["cloud", "off"],
            "description": "Whether to keep within the cloud's requests a second. Default: cloud for the cloud's "
            "endpoints, off for others.",
        },
        "timeouts": {
            "type": "object",
            "description": "How long to wait.",
            "additionalProperties": False,
            "properties": {
                "connect": {"type": "string", "pattern": _DURATION, "description": "For a connection. Default: 5s."},
                "read": {"type": "string", "pattern": _DURATION, "description": "For an answer. Default: 30s."},
            },
        },
    },
}


def written_for_cloud(expanded: Expanded) -> Mapping[str, Any] | None:
    """Return `engine: {alibaba: ...}` where it is written, and well-formed."""
    entry = expanded.one.get("engine")
    written = entry.written if entry is not None and isinstance(entry.written, dict) else {}
    options = written.get("alibaba")
    return options if isinstance(options, dict) else None


def cloud_options(options: Mapping[str, Any], root: Path) -> dict[str, Any]:
    """Return the options with the path of `ca_file` as it is on this machine."""
    return {**options, **({"ca_file": str(absolute(root, options["ca_file"]))} if "ca_file" in options else {})}


def check_cloud(expanded: Expanded, objects: Objects, problems: Problems, root: Path) -> None:
    """Check how the KMS is reached, and that instances are declared as it has them."""
    options = written_for_cloud(expanded)
    if options is None:
        return
    node = expanded.one["engine"].node
    for name, detail in _faults(options, root):
        problems.add(_CODE, detail, node.locate(("alibaba", name)))
    if in_cloud(options):
        for found in objects.of_kind("instance"):
            if found.attributes["hsm"] is not None:
                detail = (
                    "`hsm` is how a kmsplan engine reaches an HSM; the cloud's instances have their own. Remove it."
                )
                problems.add(_CODE, detail, found.place("hsm", key=True), address=found.address)


def in_cloud(options: Mapping[str, Any]) -> bool:
    """Return whether the endpoint is one of Alibaba Cloud's."""
    return _host(options.get("endpoint", _CLOUD)).endswith(_CLOUD)


def _host(endpoint: str) -> str:
    return urlsplit(f"//{endpoint}").hostname or ""


def _faults(options: Mapping[str, Any], root: Path) -> Iterator[tuple[str, str]]:
    endpoint = options.get("endpoint")
    # Not by how the name begins: localhost.example.org is anybody's.
    if options.get("protocol") == "http" and not is_loopback(_host(options.get("endpoint", _CLOUD))):
        yield "protocol", _PLAIN
    if endpoint is not None and not _has_port(endpoint):
        yield "endpoint", "A port is a number from 1 to 65535."
    for name, written in options.get("timeouts", {}).items():
        if not 0 < (parse_duration(written) or 0) <= _LONGEST:
            yield "timeouts", f"`{name}` lies between 1s and {format_duration(_LONGEST)}."
    if options.get("vpc") and endpoint is not None:
        yield "vpc", "`endpoint` says already where the KMS is. Remove `vpc` or `endpoint`."
    if "ca_file" in options:
        yield from _ca_faults(options, absolute(root, options["ca_file"]))


def _ca_faults(options: Mapping[str, Any], path: Path) -> Iterator[tuple[str, str]]:
    if options.get("protocol") == "http":
        yield "ca_file", "Plain http has no certificates. Remove `ca_file`, or use https."
        return
    try:
        text = Path(path).read_bytes()
    except OSError as error:
        yield "ca_file", f"{path} cannot be read: {error.strerror}."
        return
    if b"-----BEGIN CERTIFICATE-----" not in text:
        yield "ca_file", f"{path} holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)."
    elif not _holds_certificates(path):
        yield (
            "ca_file",
            f"{path} holds a certificate that cannot be read as one: it is damaged or cut off.",
        )


def _holds_certificates(path: Path) -> bool:
    """Return whether OpenSSL takes the file, which is what a connection would find out."""
    import ssl  # noqa: PLC0415 - 10 ms, and few configurations have a file of authorities

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=path)
    except (OSError, ValueError):  # an SSLError is an OSError
        return False
    return True


def _has_port(endpoint: str) -> bool:
    """Return whether the port, if one is written, can be one."""
    try:
        return urlsplit(f"//{endpoint}").port != 0
    except ValueError:
        return False
