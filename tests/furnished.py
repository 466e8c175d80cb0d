"""An engine with something of everything in it, and what must still work when it is somewhere else."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kmsplan.engine.access.role import Role
from kmsplan.engine.backup.restoring import restore
from kmsplan.engine.sealing import FileSeal
from kmsplan.kms.operation import (
    CreateAlias,
    CreateKeyVersion,
    DisableKey,
    ScheduleKeyDeletion,
    SetKeyPolicy,
    TagResources,
    UpdateRotationPolicy,
)
from kmsplan.kms.secret import SecretBytes
from kmsplan.kms.spec import KeySpec
from tests.byok import bring, waiting
from tests.engines import DAY, new_instance, new_key

if TYPE_CHECKING:
    from pathlib import Path

    from kmsplan.engine.backup.checking import Report
    from kmsplan.engine.core import Core
    from kmsplan.engine.sealing import Seal
    from kmsplan.engine.service import Engine
    from tests.engines import Lab

CONTEXT = {"tenant": "a"}
DIGEST = hashlib.sha256(b"page").digest()
IMPORTED = bytes(range(100, 132))
"""The material of the imported key."""
_COMPARED = (
    ("instance", "instance_id, type, spec, key_quota, versions, status, created"),
    ("key", "*"),
    ("key_version", "key_id, version_id, status, reference, public_key, generation, uses, created"),
    ("alias", "*"),
    ("tag", "*"),
    ("access_key", "*"),
    ("import_token", "*"),
)


@dataclass
class Furnished:
    """What was made, and what was made with it."""

    keys: dict[str, str] = field(default_factory=dict)
    blobs: list[bytes] = field(default_factory=list)
    signature: bytes = b""
    version: str = ""
    """The version that made the signature."""
    access_key_id: str = ""
    secret: bytes = b""


def furnish(lab: Lab, engine: Engine, *, hardware: bool = False) -> Furnished:
    """Make it, with the key that encrypted first rotated since, and move the clock with that."""
    made, instance = Furnished(), new_instance(engine)
    made.keys |= {
        "aes": new_key(engine, instance, tags={"team": "payments"}, description="orders"),
        "signer": new_key(engine, instance, KeySpec.EC_P256),
        "off": new_key(engine, instance),
        "doomed": new_key(engine, instance),
        "imported": waiting(engine, instance),
    }
    if hardware:
        made.keys["vaulted"] = new_key(engine, new_instance(engine, "hardware"))
    aes = made.keys["aes"]
    engine.execute(CreateAlias(alias="alias/orders", key=aes))
    engine.execute(TagResources(resource=instance, resource_type="instance", tags={"cost": "4711"}))
    engine.execute(SetKeyPolicy(key=made.keys["signer"], policy=_policy(engine)))
    bring(engine, made.keys["imported"], SecretBytes(IMPORTED))
    engine.execute(DisableKey(key=made.keys["off"]))
    engine.execute(ScheduleKeyDeletion(key=made.keys["doomed"], window_days=30))
    _use(lab, engine, made)
    access_key = engine.access.create(role=Role.USER, user="user/orders")
    made.access_key_id, made.secret = access_key.access_key_id, access_key.secret.reveal()
    return made


def _policy(engine: Engine) -> dict[str, Any]:
    principal = {"RAM": [f"acs:ram::{engine.account}:*"]}
    return {
        "Version": "1",
        "Statement": [{"Effect": "Allow", "Principal": principal, "Action": ["kms:*"], "Resource": ["*"]}],
    }


def _use(lab: Lab, engine: Engine, made: Furnished) -> None:
    """Encrypt and sign, with versions that are not the newest afterwards."""
    aes, signer = made.keys["aes"], made.keys["signer"]
    engine.execute(UpdateRotationPolicy(key=aes, rotation=7 * 86400))
    made.blobs.append(engine.encrypt(aes, b"plaintext", CONTEXT)[0])
    signed = engine.begin.sign(signer, None, "ECDSA_SHA_256", DIGEST).wait()
    made.signature, made.version = signed.signature, signed.version_id
    lab.clock.move(8 * DAY)
    assert engine.tick().rotated == (aes,)
    engine.execute(CreateKeyVersion(key=signer))
    for name in ("aes", "aes", "imported", *(["vaulted"] if "vaulted" in made.keys else [])):
        made.blobs.append(engine.encrypt(made.keys[name], b"plaintext", CONTEXT)[0])


def check(engine: Engine, made: Furnished) -> None:
    """Check that all that was made can be used and still opens."""
    assert [engine.decrypt(blob, CONTEXT)[0] for blob in made.blobs] == [b"plaintext"] * len(made.blobs)
    assert engine.verify(made.keys["signer"], made.version, "ECDSA_SHA_256", DIGEST, made.signature)
    assert engine.resolve("alias/orders") == made.keys["aes"]
    found = engine.access_key(made.access_key_id)
    assert found is not None
    assert found.secret.reveal() == made.secret
    assert engine.audit_verify().entries > len(made.blobs)


def core_of(engine: Engine) -> Core:
    """Return what is behind an engine."""
    return engine._core


def content(engine: Engine) -> dict[str, set[Any]]:
    """Return the rows that have to be the same after a restore, in whichever database."""
    with core_of(engine).store.read() as db:
        return {table: set(db.execute(f"SELECT {columns} FROM {table}")) for table, columns in _COMPARED}  # noqa: S608 - our own names


def trail(engine: Engine) -> list[dict[str, Any]]:
    """Return the whole audit trail."""
    return list(engine.audit_entries())


def key_file(folder: Path, name: str = "backup.key") -> FileSeal:
    """Return a lock that is a key file."""
    return FileSeal(folder / name)


def restore_to(place: Lab, path: Path, lock: Seal) -> Report:
    """Restore a backup to a place."""
    assert place.seal is not None
    return restore(
        path,
        place.folder,
        lock=lock,
        seal=place.seal,
        clock=place.clock,
        entropy=os.urandom,
        actor="restorer",
        postgres=place.postgres,
    )
