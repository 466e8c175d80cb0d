"""Keys as a reading, a state and a configuration tell of them; and the inventory of one of each kind."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kmsplan.config.configuration import Configuration, Declared, EngineSettings, Waiver
from kmsplan.config.diagnostic import Span
from kmsplan.inventory.item import Inventory
from kmsplan.inventory.taking import take
from kmsplan.plan.diff import complete
from kmsplan.resource.address import Address, kind_of
from kmsplan.resource.kinds import KINDS
from kmsplan.resource.value import ABSENT, Observation, Observed, Present, Unreadable
from kmsplan.state.record import Record, Recorded

if TYPE_CHECKING:
    from collections.abc import Mapping

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
SPAN = Span("kmsplan.yaml", 1, 1, 1, 1)
HOSTILE = (
    "=HYPERLINK(1)",
    "'=1+1",
    "@SUM(1)",
    "-1",
    "\tx",
    "\r\nEND:VCALENDAR",
    'a,"b";c\\',
    "<script>",
    "\x1b[31m",
    "::error::x",
    "\u202eabc",
    "漢字",
)
TOLD: dict[str, Any] = {
    "arn": "acs:kms:local:1:key/key-1",
    "creation_date": "2026-01-01T00:00:00Z",
    "delete_date": None,
    "last_rotation_date": "2026-01-01T00:00:00Z",
    "next_rotation_date": None,
    "last_used": None,
    "tracked_since": "2026-01-01T00:00:00Z",
    "primary_version": "key-1-aaaaaaaaaa",
    "protection_level": "SOFTWARE",
    "version_count": 1,
}


def identity(name: str) -> str:
    return {"instance": "kst-", "alias": "alias/"}.get(name.partition(".")[0], "key-") + name.partition(".")[2]


def present(name: str, *, state: str = "Enabled", owner: str | None = None, told: Any = None, **said: Any) -> Present:
    """An object as its KMS tells of it; `told` is what only the KMS decides."""
    kind = KINDS[name.partition(".")[0]]
    usual: dict[str, Any] = {"instance": "kst-core", "usage": "ENCRYPT/DECRYPT"} if kind.name == "key" else {}
    whole = complete(kind, usual | said)
    return Present(
        kind=kind.name,
        identity=identity(name),
        state=state,
        owner=owner,
        attributes={attribute: whole.get(attribute) for attribute in kind.compared},
        computed=TOLD | (told or {}) if kind.name != "alias" else {},
    )


def record(name: str, **said: Any) -> Record:
    """An object as the last apply left it."""
    usual = {"instance": "instance.core", "usage": "ENCRYPT/DECRYPT"} if name.startswith("key.") else {}
    address = Address(name)
    whole = complete(KINDS[kind_of(address)], usual | said)
    return Record(address=address, identity=identity(name), attributes=whole)


def recorded(*records: Record) -> Recorded:
    return Recorded(
        lineage="L",
        serial=1,
        environment="e",
        records={one.address: one for one in (record("instance.core"), *records)},
    )


def observed(*presents: Present, others: tuple[Present, ...] = (), **unread: Observation) -> Observed:
    """A reading; `unread` is by name of a key."""
    core = present("instance.core", type="software")
    objects: dict[str, Observation] = {one.identity: one for one in (core, *presents)}
    return Observed(
        environment="e", objects=objects | {f"key-{name}": one for name, one in unread.items()}, others=others
    )


def configuration(
    desired: Mapping[str, Mapping[str, Any]] | None = None,
    *,
    waivers: tuple[Waiver, ...] = (),
    staged: Mapping[str, int | None] | None = None,
) -> Configuration:
    """A configuration of these keys."""
    return Configuration(
        root=Path(),
        engine=EngineSettings(provider="model"),
        state_path=Path("state"),
        desired={
            Address(name): Declared(address=Address(name), attributes=record(name, **said).attributes, span=SPAN)
            for name, said in (desired or {}).items()
        },
        variables={},
        digest="",
        staged={Address(name): seconds for name, seconds in (staged or {}).items()},
        waivers=waivers,
    )


def waiver(expires: date, **said: Any) -> Waiver:
    usual: dict[str, Any] = {"address": "key.a", "owner": "alice", "reason": "until the move", "span": SPAN}
    return Waiver(**usual | said, expires=expires)


def one_of_each() -> Inventory:
    """Every kind of item: read and unread, gone, of others, with and without a quantum computer to fear."""
    names = ("absent", "broken", "deleted", "imported", "plain", "silent")
    keys = (
        present("key.broken", spec="RSA_2048", tags={"data-lifetime": "10y"}),
        present("key.deleted", state="PendingDeletion", told={"delete_date": "2026-07-01T00:00:00Z"}),
        present("key.imported", origin="EXTERNAL", imported="2027-01-01T00:00:00Z", description="ours"),
        present(
            "key.plain",
            rotation=7_776_000,
            tags={"team": "payments", "x": "=1"},
            told={"version_count": 2, "last_rotation_date": "2026-05-01T00:00:00Z"},
        ),
        present("alias.orders", key="key-plain"),
    )
    service = {"spec": "Aliyun_AES_256", "usage": "ENCRYPT/DECRYPT", "origin": "Aliyun_KMS"}
    others = (
        present("key.foreign", spec="ML_KEM_768", usage="KEM", owner="M/key.foreign/t"),
        present("service_key.oss", told=service | {"protection_level": "HSM"}),
    )
    return take(
        configuration({"key.plain": {"used_by": ["shop, Berlin", "=1"]}}),
        recorded(*(record(f"key.{name}") for name in names)),
        observed(*keys, others=others, absent=ABSENT, silent=Unreadable("Rejected.Unavailable", "no answer")),
        NOW,
        every=True,
    )


def hostile() -> Inventory:
    """A key for each string that somebody could mean harm with, wherever users' own words go."""
    plain = next(item for item in one_of_each().items if item.address == "key.plain")
    items = tuple(
        replace(
            plain,
            identity=f"key-{number}{text}",
            owner=text,
            description=text,
            aliases=(text,),
            used_by=(text,),
            tags={text: text},
            note=text,
        )
        for number, text in enumerate(HOSTILE)
    )
    return Inventory(items=items, environment=HOSTILE[0], lineage="L")
