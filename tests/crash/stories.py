"""The scenarios."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

from tests.crash.answering import Answering
from tests.crash.scenario import Scenario, Step
from tests.crash.served import Served, Serving
from tests.crash.site import Database, Token
from tests.project import SOFTHSM

_CORE: Final = """\
kmsplan: 1
instances:
  core: {type: software, deletion_protection: false}
"""
_VAULT: Final = f"""\
kmsplan: 1
instances:
  vault: {{type: hardware, deletion_protection: false, hsm: {{module: {SOFTHSM}, token: test, pin: {{env: HSM_PIN}}}}}}
"""
_FIRST: Final = f"""\
{_CORE}\
keys:
  orders: {{instance: core, rotation: 90d, aliases: [orders], tags: {{team: payments}}, deletion_protection: false}}
  signer: {{instance: core, spec: EC_P256, deletion_protection: false}}
  older: {{instance: core, on_replace: succeed, aliases: [older], deletion_protection: false}}
  going: {{instance: core, deletion_protection: false}}
  several: {{instance: core, spec: EC_P256}}
aliases: {{moving: orders}}
"""
_WITH_GONE: Final = _FIRST.replace("aliases: {", "  gone: {instance: core, deletion_protection: false}\naliases: {")
_SECOND: Final = f"""\
{_CORE}\
keys:
  orders: {{instance: core, rotation: 30d, description: changed, tags: {{owner: ada}}, aliases: [orders]}}
  signer: {{instance: core, spec: EC_P256, enabled: false, deletion_protection: false}}
  older: {{instance: core, spec: Aliyun_SM4, on_replace: succeed, aliases: [older], deletion_protection: false}}
  gone: {{instance: core, description: back, deletion_protection: false}}
  several: {{instance: core, spec: EC_P256, rotation: {{min_versions: 2}}}}
  fresh: {{instance: core, tags: {{new: "yes"}}, aliases: [fresh]}}
aliases: {{moving: gone}}
"""
_HARDWARE_FIRST: Final = f"""\
{_VAULT}\
keys:
  data: {{instance: vault, aliases: [data], deletion_protection: false}}
  pair: {{instance: vault, spec: EC_P256, deletion_protection: false}}
"""
_HARDWARE_SECOND: Final = f"""\
{_VAULT}\
keys:
  data: {{instance: vault, aliases: [data, more], description: changed}}
  pair: {{instance: vault, spec: EC_P256, enabled: false, deletion_protection: false}}
  next: {{instance: vault, spec: EC_P256}}
  ledger: {{instance: vault, storage_mechanism: HsmEncryptedDatabase, rotation: 90d, deletion_protection: false}}
"""
_IN_DATABASE: Final = "engine: {embedded: {postgres: {env: KEYSTORE}}}\n"
_SHARED: Final = "state: {postgres: {url: {env: KEYSTORE}, name: team, lease: 3s}}\n"
_SERVED: Final = 'engine: {alibaba: {region: local, endpoint: "ENDPOINT", protocol: http}}\n'
_USED: Final = f"""\
{_SERVED}{_CORE}\
keys:
  data: {{instance: core, aliases: [data]}}
  other: {{instance: core, aliases: [other]}}
  pair: {{instance: core, spec: EC_P256, aliases: [pair]}}
"""
_OPEN: Final = "deletion_protection: false"
_LEFT: Final = f"""\
{_VAULT}\
keys:
  data: {{instance: vault, aliases: [data, more], description: changed}}
  ledger: {{instance: vault, storage_mechanism: HsmEncryptedDatabase, rotation: 90d, deletion_protection: false}}
"""
_MATERIAL: Final = bytes(range(101, 133))
_PAST: Final = "2020-01-01T00:00:00Z"
_DELETES: Final = ("--allow-delete", "1", "--allow-mass")


def _let_time_pass(root: Path) -> None:
    """Move what is due later to the past."""
    (database,) = root.rglob("keystore.db")
    with closing(sqlite3.connect(database)) as db:
        for date in ("next_rotation_date", "delete_date"):
            db.execute(f"UPDATE key SET {date} = ? WHERE {date} IS NOT NULL", (_PAST,))  # noqa: S608 - our own names
        db.commit()


SCENARIOS: Final = (
    Scenario(name="create", after=Step(text=_FIRST)),
    Scenario(
        name="change",
        before=(Step(text=_WITH_GONE), Step(text=_FIRST, options=_DELETES)),
        after=Step(text=_SECOND, options=_DELETES),
    ),
    Scenario(
        name="import",
        after=Step(
            text=_CORE.replace("instances", "engine: {embedded: {seal: {passphrase: {env: PASSPHRASE}}}}\ninstances")
            + "keys:\n  own: {instance: core, origin: EXTERNAL, material: {file: material.bin}, aliases: [own]}\n"
        ),
        secrets={"material.bin": _MATERIAL, "PASSPHRASE": b"correct horse battery"},
    ),
    Scenario(name="hardware create", after=Step(text=_HARDWARE_FIRST), site=Token()),
    Scenario(
        name="hardware change",
        before=(Step(text=_HARDWARE_FIRST),),
        after=Step(text=_HARDWARE_SECOND, options=("--allow-mass",)),
        site=Token(),
    ),
    Scenario(
        name="hardware import",
        before=(Step(text=_VAULT),),
        after=Step(text=_VAULT + "keys:\n  own: {instance: vault, origin: EXTERNAL, material: {file: material.bin}}\n"),
        site=Token(),
        secrets={"material.bin": _MATERIAL},
    ),
    Scenario(
        name="hardware tick",
        before=(
            Step(text=_HARDWARE_SECOND.replace("next: {instance: vault", "next: {instance: vault, " + _OPEN)),
            Step(text=_LEFT, options=("--allow-delete", "2", "--allow-mass")),
        ),
        after=Step(text=_LEFT),
        command=("engine", "tick"),
        prepare=_let_time_pass,
        site=Token(),
    ),
    Scenario(name="database create", after=Step(text=_IN_DATABASE + _FIRST), site=Database()),
    Scenario(
        name="database change",
        before=(Step(text=_IN_DATABASE + _WITH_GONE), Step(text=_IN_DATABASE + _FIRST, options=_DELETES)),
        after=Step(text=_IN_DATABASE + _SECOND, options=_DELETES),
        site=Database(),
    ),
    Scenario(
        name="shared state",
        before=(Step(text=_SHARED + _WITH_GONE), Step(text=_SHARED + _FIRST, options=_DELETES)),
        # A power cut may take the note whose the lease is: then it has to run out.
        after=Step(text=_SHARED + _SECOND, options=(*_DELETES, "--lock-timeout", "10")),
        site=Database(),
    ),
    Scenario(
        name="served",
        before=(Step(text=_SERVED + _FIRST),),
        after=Step(text=_SERVED + _SECOND, options=_DELETES),
        site=Served(),
    ),
    Scenario(
        name="serving",
        before=(Step(text=_SERVED + _FIRST),),
        after=Step(text=_SERVED + _SECOND, options=_DELETES),
        site=Serving(),
    ),
    Scenario(name="answering", before=(Step(text=_USED),), after=Step(text=_USED), site=Answering()),
)
