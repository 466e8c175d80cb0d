"""Scenarios of what goes, and of what comes back: instances released, successors taken back, keys pending deletion."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Final

from tests.crash.configurations import CORE, FIRST, OPEN, VAULT
from tests.crash.scenario import Scenario, Step
from tests.crash.site import Token

if TYPE_CHECKING:
    from pathlib import Path

_PAST: Final = "2020-01-01T00:00:00Z"
_MATERIAL: Final = bytes(range(31, 63))


def let_time_pass(root: Path) -> None:
    """Move what is due later to the past."""
    (database,) = root.rglob("keystore.db")
    with closing(sqlite3.connect(database)) as db:
        for date in ("next_rotation_date", "delete_date"):
            db.execute(f"UPDATE key SET {date} = ? WHERE {date} IS NOT NULL", (_PAST,))  # noqa: S608 - our own names
        db.commit()


_NEIGHBOURS: Final = f"""\
{VAULT.replace("vault:", "other:")}\
  core: {{type: software, {OPEN}}}
keys:
  stays: {{instance: other, aliases: [stays]}}
  ours: {{instance: core, aliases: [ours]}}
"""
"""What is left beside an instance that goes: one with keys in the same token, and one of software keys."""
_VAULT_BESIDE: Final = _NEIGHBOURS.replace("instances:\n", VAULT.partition("kmsplan: 1\n")[2])
_FULL: Final = f"""\
{_VAULT_BESIDE}\
  data: {{instance: vault, aliases: [data], {OPEN}}}
  pair: {{instance: vault, spec: EC_P256, {OPEN}}}
  own: {{instance: vault, origin: EXTERNAL, material: {{file: material.bin}}, {OPEN}}}
"""
_SOFTWARE_FULL: Final = f"""\
{CORE}\
  more: {{type: software, {OPEN}}}
keys:
  ours: {{instance: core, aliases: [ours]}}
  data: {{instance: more, aliases: [data], {OPEN}}}
  pair: {{instance: more, spec: EC_P256, {OPEN}}}
"""
_SOFTWARE_LEFT: Final = f"{CORE}keys:\n  ours: {{instance: core, aliases: [ours]}}\n"
_SOFTWARE_EMPTIED: Final = _SOFTWARE_FULL.partition("  data:")[0]
_TICK: Final = ("engine", "tick")


def _deleting(count: int) -> tuple[str, ...]:
    return ("--allow-delete", str(count), "--allow-mass")


def _forced(address: str) -> tuple[str, ...]:
    """Return the command that releases an instance with all its keys."""
    return ("engine", "call", "ReleaseKmsInstance", f"KmsInstanceId=<{address}>", "ForceDeleteWithoutBackup=true")


_RELEASED: Final = ("Forbidden.DKMSInstanceNotFound",)
_VANISHED: Final = ("--allow-mass",)
_SUCCEEDING: Final = FIRST.replace("older: {instance: core,", "older: {instance: core, spec: Aliyun_SM4,")
_BACK: Final = f"""\
{VAULT}\
  core: {{type: software, {OPEN}}}
keys:
  data: {{instance: vault, aliases: [data, more], description: back, enabled: false, {OPEN}}}
  plain: {{instance: core, aliases: [plain], tags: {{owner: ada}}, rotation: 90d, {OPEN}}}
  pair: {{instance: vault, spec: EC_P256, {OPEN}}}
"""
_AWAY: Final = f"{VAULT}  core: {{type: software, {OPEN}}}\n"

LEAVING: Final = (
    Scenario(
        name="release",
        before=(Step(text=_SOFTWARE_FULL), Step(text=_SOFTWARE_EMPTIED, options=_deleting(2))),
        ready=(Step(text=_SOFTWARE_EMPTIED, instead=_TICK, prepare=let_time_pass),),
        after=Step(text=_SOFTWARE_LEFT, options=("--allow-release", "instance.more", *_deleting(1))),
    ),
    Scenario(
        name="forced release",
        before=(Step(text=_SOFTWARE_FULL),),
        after=Step(text=_SOFTWARE_FULL, instead=_forced("instance.more")),
        refusals=_RELEASED,
        then=(Step(text=_SOFTWARE_LEFT, options=_VANISHED),),
    ),
    Scenario(
        name="hardware release",
        before=(Step(text=_FULL), Step(text=_VAULT_BESIDE, options=_deleting(3))),
        ready=(Step(text=_VAULT_BESIDE, instead=_TICK, prepare=let_time_pass),),
        after=Step(text=_NEIGHBOURS, options=("--allow-release", "instance.vault", *_deleting(1))),
        site=Token(),
        secrets={"material.bin": _MATERIAL},
    ),
    Scenario(
        name="hardware forced release",
        before=(Step(text=_FULL),),
        after=Step(text=_FULL, instead=_forced("instance.vault")),
        refusals=_RELEASED,
        then=(Step(text=_NEIGHBOURS, options=_VANISHED),),
        site=Token(),
        secrets={"material.bin": _MATERIAL},
    ),
    Scenario(
        name="succession",
        before=(Step(text=FIRST),),
        after=Step(text=_SUCCEEDING),
        then=(Step(text=FIRST),),
        turned=True,
    ),
    Scenario(
        name="bringing back",
        before=(Step(text=_BACK), Step(text=_AWAY, options=_deleting(3))),
        # Interrupted before it is disabled again, the key is enabled, and to disable what has aliases is held back.
        after=Step(text=_BACK, options=("--allow-in-use", "key.data")),
        site=Token(),
    ),
)
