"""A state of many records in three serials, and what looking at it costs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from kmsplan.resource.address import Address
from kmsplan.resource.kinds import KINDS
from kmsplan.resource.step import Effect
from kmsplan.state.local import LocalStore

if TYPE_CHECKING:
    from collections.abc import Iterator

_LINEAGE: Final = "0123456789abcdef0123456789abcdef"
COMMANDS: Final = (
    ("state", "list"),
    ("state", "show", "key.k000005"),
    ("state", "show", "--serial", "1", "key.k000005"),
    ("state", "history"),
    ("state", "diff", "1", "2"),
)


def write_records(folder: Path, count: int) -> None:
    """Write a configuration folder whose state has `count` keys; serials 2 and 3 have changed 100 of them."""
    folder.mkdir()
    (folder / "kmsplan.yaml").write_text("kmsplan: 1\n")
    store = LocalStore(folder / "state")
    for changed in (count, 100, 100):
        with store.lock(owner="benchmark", command="apply") as lock, store.open(lock) as writing:
            writing.init(_LINEAGE)
            writing.journal.run(command="apply", by="benchmark", plan="0" * 64)
            for address, identity, effect in _keys(changed):
                writing.journal.record(address, effect, identity=identity)
            writing.save()


def _keys(count: int) -> Iterator[tuple[Address, str, Effect]]:
    usual = {attribute.name: attribute.default for attribute in KINDS["key"].attributes if attribute.recorded}
    said = {"instance": "instance.core", "spec": "Aliyun_AES_256", "rotation": 7_776_000, "tags": {"data": "pii"}}
    for number in range(count):
        attributes = {**usual, **said, "description": f"one of {count}"}
        yield Address(f"key.k{number:06d}"), f"key-{number:021d}", Effect(attributes=attributes)


if __name__ == "__main__":  # a process of its own: what measures the commands stays small
    write_records(Path(sys.argv[1]), int(sys.argv[2]))
