"""`state: {...}`: where the recorded state is kept, and what can be said of that without asking anybody."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from kmsplan.config.configuration import SharedState
from kmsplan.config.secret import absolute, reference
from kmsplan.kms.external import is_loopback
from kmsplan.kms.naming import parse_duration
from kmsplan.resource.schema import SECRET_SCHEMA

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from kmsplan.config.expand import Expanded
    from kmsplan.config.problems import Problems
    from kmsplan.config.section import Node

WORKSPACE: Final = ".kmsplan"
"""The folder, beside the configuration, for this machine's part of a shared state."""
LOCAL: Final = "local"
DEFAULT_LEASE: Final = "30s"
SECRETS: Final = frozenset({"url", "password"})
"""Settings that are references to secrets."""
ADDRESSES: Final = frozenset({"address", "lock_address", "unlock_address", "endpoint"})
"""Settings that are URLs."""
_CODE: Final = "K425"
_LEASE_PATTERN: Final = r"^[0-9]{1,5}[ms]$"
_URL: Final = {"type": "string", "minLength": 1}
_METHOD: Final = {"enum": ["DELETE", "LOCK", "POST", "PUT", "UNLOCK"]}
_NAME: Final = {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._/-]{0,199}$"}
_LEASE: Final = {
    "type": "string",
    "pattern": _LEASE_PATTERN,
    "description": "How long the holder of the lock may be silent before another may take it. Default: "
    f"{DEFAULT_LEASE}.",
}
SHARED_SCHEMAS: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "postgres": {
            "type": "object",
            "description": "Rows of a PostgreSQL database, for a team. Needs the extra `postgres`.",
            "required": ["url", "name"],
            "additionalProperties": False,
            "properties": {
                "url": {**SECRET_SCHEMA, "description": "Where the connection string is found."},
                "name": {**_NAME, "description": "The state's name; one database can hold several."},
                "lease": _LEASE,
            },
        },
        "http": {
            "type": ["object", "null"],
            "description": "A server that speaks the protocol of Terraform's http backend, GitLab for example. What is "
            "not said here comes from the variables TF_HTTP_ADDRESS and so on.",
            "additionalProperties": False,
            "properties": {
                "address": {**_URL, "description": "The state's URL. Default: TF_HTTP_ADDRESS."},
                "lock_address": {**_URL, "description": "Default: TF_HTTP_LOCK_ADDRESS, else `address`."},
                "unlock_address": {**_URL, "description": "Default: TF_HTTP_UNLOCK_ADDRESS, else `lock_address`."},
                "lock_method": {
                    **_METHOD,
                    "description": "GitLab: POST. Default: TF_HTTP_LOCK_METHOD, else LOCK.",
                },
                "unlock_method": {
                    **_METHOD,
                    "description": "GitLab: DELETE. Default: TF_HTTP_UNLOCK_METHOD, else UNLOCK.",
                },
                "update_method": {**_METHOD, "description": "Default: TF_HTTP_UPDATE_METHOD, else POST."},
                "username": {
                    "type": "string",
                    "minLength": 1,
                    "description": "For basic authentication. Default: TF_HTTP_USERNAME.",
                },
                "password": {
                    **SECRET_SCHEMA,
                    "description": "Where the password or token is found. Default: TF_HTTP_PASSWORD.",
                },
                "ca_file": {
                    "type": "string",
                    "minLength": 1,
                    "description": "Certificates of the authorities to trust, PEM. Default: the system's.",
                },
            },
        },
        "s3": {
            "type": "object",
            "description": "An object of a store with conditional writes: Amazon S3, MinIO, Ceph and others. "
            "Credentials come from the environment, a profile or a role, never from here. Needs the extra `s3`.",
            "required": ["bucket", "key"],
            "additionalProperties": False,
            "properties": {
                "bucket": {"type": "string", "minLength": 3, "description": "The bucket; it exists already."},
                "key": {**_NAME, "description": "The state's name there; its parts are under `KEY.d/`."},
                "region": {"type": "string", "minLength": 1, "description": "Default: as the SDK finds it."},
                "endpoint": {**_URL, "description": "The store's URL, where it is not Amazon's."},
                "profile": {"type": "string", "minLength": 1, "description": "Whose credentials and region to use."},
                "path_style": {
                    "type": "boolean",
                    "description": "Name the bucket in the path, as MinIO wants it by default. Default: false.",
                },
                "lease": _LEASE,
            },
        },
    }
)


def kind_of_store(written: Mapping[str, Any]) -> str:
    """Return which store a valid `state` names."""
    return next((name for name in written if name in SHARED_SCHEMAS), LOCAL)


def shared_state(written: Mapping[str, Any], node: Node, root: Path) -> SharedState | None:
    """Return where a team keeps the state; None where it is in a folder.

    Args:
        written: the section `state`.
        node: where it stands.
        root: the configuration's folder.
    """
    kind = kind_of_store(written)
    if kind == LOCAL:
        return None
    settings = written[kind] or {}
    options = {**settings, "lease": parse_duration(settings.get("lease", DEFAULT_LEASE))}
    if "ca_file" in options:
        options["ca_file"] = str(absolute(root, options["ca_file"]))
    secrets = {
        name: reference(options.pop(name), root, node.locate((kind, name)).span) for name in SECRETS & options.keys()
    }
    return SharedState(kind=kind, options=options, secrets=secrets)


def check_state(expanded: Expanded, problems: Problems) -> None:
    """Want a store that is reached without showing a network what it holds."""
    entry = expanded.one.get("state")
    written = entry.written if entry is not None and isinstance(entry.written, dict) else {}
    for kind in written.keys() & SHARED_SCHEMAS.keys():
        settings = written[kind] if isinstance(written[kind], dict) else {}
        for name in sorted(ADDRESSES & settings.keys()):
            if entry is not None and (problem := address_problem(settings[name])):
                problems.add(_CODE, f"`{name}` {problem}.", entry.node.locate((kind, name)))


def address_problem(url: str) -> str | None:
    """Return why a state is not to be kept at a URL, or None."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or parts.scheme not in ("http", "https") or "@" in parts.netloc:
        return "is no URL of a server: https://HOST/PATH, without user and password"
    if parts.scheme == "http" and not is_loopback(host):
        return (
            "is plain http, which is for this machine alone (localhost, 127.0.0.1): on a network anybody could read "
            "and change the state. Use https, with `ca_file` where the certificate is your own"
        )
    return None
