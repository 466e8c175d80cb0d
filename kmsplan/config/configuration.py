"""What a configuration folder says, once it is valid: settings and desired objects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from kmsplan.approval.judge import Policy as ApprovalPolicy
    from kmsplan.config.diagnostic import Diagnostic, Span
    from kmsplan.resource.address import Address
    from kmsplan.rule.definition import Policy


@dataclass(frozen=True, slots=True)
class SecretReference:
    """Where a secret is found: `{env: NAME}`, `{file: PATH}` or `{exec: [COMMAND, ...]}`. Holds no secret."""

    source: str
    """env, file or exec."""
    name: str
    """The variable's name, the path (absolute, resolved against the configuration folder), or the command's name."""
    span: Span
    command: tuple[str, ...] = ()
    """exec: the command and its arguments."""
    folder: Path | None = None
    """exec: where it runs, the configuration folder."""


@dataclass(frozen=True, slots=True)
class AccessKeyReference:
    """An access key: its id, and where its secret is found."""

    access_key_id: str
    secret: SecretReference


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """One desired object."""

    address: Address
    attributes: Mapping[str, Any]
    """Canonical, defaults filled in, references as addresses."""
    span: Span
    """Where it is declared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSettings:
    """Which KMS the configuration is for: `engine: {embedded: {...}}` or `{alibaba: {...}}`."""

    provider: str
    path: Path | None = None
    """embedded: the engine's folder."""
    seal: SecretReference | None = None
    """embedded: passphrase or key file; None means the engine's own key file beside it."""
    seal_kind: str = "default"
    """embedded: default, passphrase, file or hsm."""
    postgres: SecretReference | None = None
    """embedded: the connection string of the database with the keystore; None means a file in the folder."""
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedState:
    """Where a team keeps the state: `state: {postgres: {...}}` and its like."""

    kind: str
    options: Mapping[str, Any]
    """As written, without secrets; `lease` in seconds."""
    secrets: Mapping[str, SecretReference] = field(default_factory=dict)
    """By option."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Import:
    """One `import:` block."""

    address: Address
    identity: str
    owner: str | None = None
    """The lineage that owns it and gives it up; None where nobody else owns it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiver:
    """One `waivers:` entry: somebody answers for a difference or a broken rule until a day."""

    address: str
    """An address, an unmanaged object's identity, or a glob of either."""
    owner: str
    reason: str
    expires: date
    """The last day on which it counts."""
    span: Span
    rule: str | None = None
    """The policy rule that it lets pass; None in a waiver of drift."""
    attribute: str | None = None
    """The drifted attribute; None for all of them, or in a waiver of a rule."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """A valid configuration folder."""

    root: Path
    engine: EngineSettings
    state_path: Path
    """The folder of the state; of one that a team shares, of what this machine keeps beside it."""
    desired: Mapping[Address, Declared]
    variables: Mapping[str, Any]
    """Every variable's value, so that a saved plan can be read with the same ones."""
    digest: str
    """sha256 hex of all that decides what is desired: objects, engine, state, moved, removed, import."""
    pins: Mapping[Address, SecretReference] = field(default_factory=dict)
    """By instance address."""
    proxies: Mapping[Address, AccessKeyReference] = field(default_factory=dict)
    """By the address of an external instance: who calls its proxy."""
    materials: Mapping[Address, SecretReference] = field(default_factory=dict)
    """By key address: where the material to import is found."""
    moved: Mapping[Address, Address] = field(default_factory=dict)
    removed: frozenset[Address] = frozenset()
    """Addresses to forget."""
    staged: Mapping[Address, int | None] = field(default_factory=dict)
    """Keys to destroy in stages, and the seconds for which each must not have been used; None: not said."""
    imports: tuple[Import, ...] = ()
    approval: ApprovalPolicy | None = None
    """Who must sign a plan before it is applied; None where nobody need."""
    shared: SharedState | None = None
    """None where the state is in `state_path`."""
    encryption: SecretReference | None = None
    """The key that the state is encrypted with; None where it is plain."""
    policy: Policy | None = None
    """The rules that a plan must not break; None where there are none."""
    waivers: tuple[Waiver, ...] = ()
    warnings: tuple[Diagnostic, ...] = ()
