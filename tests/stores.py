"""The stores that the contract suite runs against: each a place that several machines reach."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kmsplan.kms.secret import SecretBytes
from kmsplan.resource.address import Address
from kmsplan.resource.step import Effect
from kmsplan.state.cipher import PLAIN
from kmsplan.state.entry import Ending
from kmsplan.state.local import LocalStore
from kmsplan.state.shared.store import SharedStore
from tests.objects import CREDENTIALS
from tests.state_server import PASSWORD

if TYPE_CHECKING:
    import pytest

    from kmsplan.state.cipher import Codec
    from kmsplan.state.protocol import Journal, Store
    from kmsplan.state.shared.remote import Remote
    from tests.objects import ObjectServer
    from tests.postgres import PostgresServer
    from tests.state_server import StateServer

LINEAGE = "0123456789abcdef0123456789abcdef"
LEASE = 60.0
"""Seconds: longer than any machine is busy with something else."""
SHORT_LEASE = 0.6
"""Seconds: short enough to wait for, where nobody has to keep it."""


@dataclass
class Place:
    """One state, and machines that work on it."""

    folder: Path
    remote: Callable[[float], Remote] | None
    """Opens the place anew, as another machine does, for leases of so many seconds; None where it is a folder."""
    damage: Callable[[], None]
    """Edits what is kept, past kmsplan."""
    change: Callable[[], None]
    """Puts another snapshot in the place, without the lock."""
    cut: Callable[[], None] = lambda: None
    """Makes the place unreachable."""
    heal: Callable[[], None] = lambda: None
    contents: Callable[[], list[bytes]] = list
    """All that the place keeps, where that is not in the folder."""
    sends: tuple[type, tuple[str, ...]] = (Path, ())
    """What writes there: a class, and methods of it."""
    mirrors: bool = True
    """Whether another machine sees the journal of a run that has not ended."""
    beats: bool = True
    """Whether the place knows heartbeats."""
    lease: float = LEASE
    """Of the machines that open it from now on."""

    @property
    def shared(self) -> bool:
        return self.remote is not None

    def kept(self) -> bytes:
        """Everything that the place and all machines keep."""
        files = (path.read_bytes() for path in sorted(self.folder.rglob("*")) if path.is_file())
        return b"\n".join([*files, *self.contents()])

    def machine(self, name: str = "one", codec: Codec = PLAIN) -> Store:
        """A store as one machine opens it."""
        if self.remote is None:
            return LocalStore(self.folder / "state", codec=codec)
        return SharedStore(self.remote(self.lease), self.folder / name, lease=self.lease, codec=codec)


def local(folder: Path) -> Place:
    snapshot = folder / "state" / "kmsplan.state.json"

    def damage() -> None:
        snapshot.write_bytes(snapshot.read_bytes().replace(b"Aliyun", b"Eliyun").replace(b"fake/1", b"fake/2"))

    def change() -> None:
        content = snapshot.read_bytes()
        snapshot.unlink()
        snapshot.write_bytes(content)

    return Place(folder, None, damage, change, sends=(Path, ("replace", "rename", "unlink")))


def postgres(folder: Path, server: PostgresServer) -> Place:
    import psycopg  # noqa: PLC0415 - the extra

    from kmsplan.state.shared.postgres import PostgresRemote  # noqa: PLC0415 - as the product imports it

    schema = server.new_schema()

    def run(statement: str) -> None:
        with server.connect(schema) as db:
            db.execute(statement.encode())

    def contents() -> list[bytes]:
        with server.connect(schema) as db:
            rows = [
                row
                for table in (b"kmsplan_state", b"kmsplan_state_journal", b"kmsplan_state_history")
                for row in db.execute(b"SELECT * FROM %b" % table).fetchall()
            ]
        return [value if isinstance(value, bytes) else str(value).encode() for row in rows for value in row]

    return Place(
        folder,
        lambda lease: PostgresRemote(server.secret(schema), "team", lease),
        lambda: run("UPDATE kmsplan_state SET snapshot = snapshot || 'x'::bytea"),
        lambda: run("UPDATE kmsplan_state SET version = version + 1"),
        server.stop,
        server.start,
        contents,
        (psycopg.Connection, ("execute",)),
    )


def http(folder: Path, server: StateServer) -> Place:
    from kmsplan.state.shared.client import Client  # noqa: PLC0415 - as the product imports it
    from kmsplan.state.shared.document import unpacked  # noqa: PLC0415 - as above
    from kmsplan.state.shared.http import HttpRemote  # noqa: PLC0415 - as above
    from kmsplan.state.shared.server import Addresses  # noqa: PLC0415 - as above

    settings = {"lock_address": server.address, "unlock_address": server.address, **server.settings}
    client = Client(secure=False, username=settings.pop("username"), password=SecretBytes(PASSWORD.encode()))

    def edit(change: Callable[[dict[str, Any]], None]) -> None:
        values = json.loads(server.content or b"")
        change(values)
        server.content = json.dumps(values).encode()

    def damage(values: dict[str, Any]) -> None:
        values["kmsplan"]["snapshot"] += "x"

    def change(values: dict[str, Any]) -> None:
        values["serial"] += 1

    def contents() -> list[bytes]:
        past = json.loads(server.content or b"")["kmsplan"]["past"]
        return [server.content or b"", *(unpacked(each[part]) for each in past for part in ("snapshot", "journal"))]

    return Place(
        folder,
        lambda _: HttpRemote(Addresses(**settings), client, "1", sleep=lambda _: time.sleep(0.01)),
        lambda: edit(damage),
        lambda: edit(change),
        lambda: setattr(server, "down", True),
        lambda: setattr(server, "down", False),
        contents,
        (Client, ("send",)),
        mirrors=False,
        beats=False,
    )


def s3(folder: Path, server: ObjectServer, monkeypatch: pytest.MonkeyPatch, *, attempts: int = 1) -> Place:
    from kmsplan.state.shared.bucket import Bucket  # noqa: PLC0415 - as the product imports it
    from kmsplan.state.shared.s3 import S3Remote  # noqa: PLC0415 - as above

    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    bucket, client = server.new_bucket(), server.client()
    options = server.options(bucket)

    def head() -> dict[str, Any]:
        return dict(json.loads(client.get_object(Bucket=bucket, Key=options["key"])["Body"].read()))

    def damage() -> None:
        key = f"{options['key']}.d/{head()['version']}.state.json"
        content = client.get_object(Bucket=bucket, Key=key)["Body"].read()
        client.put_object(Bucket=bucket, Key=key, Body=content + b"x")

    def change() -> None:
        changed = json.dumps({**head(), "version": "0" * 16, "mark": "another"})
        client.put_object(Bucket=bucket, Key=options["key"], Body=changed.encode())

    def contents() -> list[bytes]:
        listed = client.list_objects_v2(Bucket=bucket)["Contents"]
        return [client.get_object(Bucket=bucket, Key=found["Key"])["Body"].read() for found in listed]

    return Place(
        folder, lambda lease: S3Remote({**options, "lease": lease}, attempts=attempts), damage, change,
        server.down, server.up, contents, (Bucket, ("put", "delete")),
    )  # fmt: skip


def make_key(journal: Journal, name: str = "orders") -> None:
    """Write down that a key was made."""
    pending = begin_key(journal, name)
    journal.end(pending, Ending.DONE, identity=f"key-{name}")


def begin_key(journal: Journal, name: str = "orders") -> int:
    begun = journal.begin(
        address=Address(f"key.{name}"),
        operation="CreateKey",
        parameters={"KeySpec": "Aliyun_AES_256"},
        token=f"token-{name}",
        identity=None,
        effect=Effect(attributes={"description": name}),
    ).sequence
    journal.flush(begun)
    return begun


def apply(store: Store, *names: str) -> None:
    """Make keys, in one run."""
    with store.lock(owner="ada@one", command="apply") as lock, store.open(lock) as writing:
        writing.init(LINEAGE)
        writing.journal.run(command="apply", environment="fake/1", plan="digest")
        for name in names:
            make_key(writing.journal, name)
        writing.save()


def names(store: Store) -> set[str]:
    """What is recorded."""
    return set(store.load().records)
