"""The embedded engine as a provider: the KMS in this process, its keystore in a folder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from kmsplan.engine.error import KeystoreError, KeystoreGoneError
from kmsplan.engine.keystore.instance import DEFAULT_CMK_HOME, SERVICE_KEY_HOME
from kmsplan.engine.offer import EXTERNAL_SPECS, HARDWARE_SPECS, SOFTWARE_SPECS
from kmsplan.kms.capability import KeyStorageMechanism, Origin
from kmsplan.kms.error import ErrorFacts, KmsError
from kmsplan.kms.naming import OWNER_TAG, RESERVED_TAGS
from kmsplan.kms.operation import ImportKeyMaterial
from kmsplan.provider.protocol import Executed, nothing
from kmsplan.provider.trail import from_engine
from kmsplan.provider.watch import Unwatched
from kmsplan.resource.kinds import KINDS
from kmsplan.resource.material import observed as imported
from kmsplan.resource.offer import Offer
from kmsplan.resource.value import ABSENT, Observation, Observed, Present, Unreadable, Witnessed

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from kmsplan.engine.service import Engine
    from kmsplan.kms.operation import Operation
    from kmsplan.kms.trail import Event
    from kmsplan.provider.importing import Importing
    from kmsplan.provider.watch import Watch
    from kmsplan.resource.hsmobject import HsmObject

OFFER: Final = Offer(
    name="the embedded engine",
    kinds=frozenset(KINDS),
    instance_types=frozenset({"software", "hardware", "external"}),
    specs={
        "software": frozenset(spec.value for spec in SOFTWARE_SPECS),
        "hardware": frozenset(spec.value for spec in HARDWARE_SPECS),
        "external": frozenset(spec.value for spec in EXTERNAL_SPECS),
    },
    origins=frozenset(origin.value for origin in Origin),
    storage_mechanisms=frozenset(mechanism.value for mechanism in KeyStorageMechanism),
    hsm_objects=True,
)
KEYSTORE: Final = "Keystore.Failed"
"""The code of operations that the keystore did not take."""
TRAIL_LIMIT: Final = 2_000_000
"""Entries of the audit trail that are looked through for who did something: about half a second's worth."""
NEW_ENVIRONMENT: Final = "embedded/new"
"""The environment of an engine that does not exist yet; the first apply makes it and gives it an id."""

# Keys migrated from KMS 1.0 are as much out of their users' hands as a service's are.
_WITHOUT_INSTANCE: Final = {DEFAULT_CMK_HOME: "default_key", SERVICE_KEY_HOME: "service_key"}
_COMPUTED: Final = (
    "arn",
    "creation_date",
    "delete_date",
    "last_rotation_date",
    "next_rotation_date",
    "last_used",
    "tracked_since",
    "primary_version",
    "protection_level",
    "version_count",
    "encryptions",
)
_TOLD_ALL_THE_SAME: Final = ("spec", "usage", "origin", "description")
"""What is known of a service key too, whose users decide nothing but its tags."""


class EmptyReader:
    """What a plan reads before the first apply: an engine that does not exist holds nothing."""

    offer = OFFER

    def observe(self, identities: Collection[str]) -> Observed:
        """Answer that nothing exists."""
        return Observed(environment=NEW_ENVIRONMENT, objects=dict.fromkeys(identities, ABSENT))

    def close(self) -> None:
        """Nothing to give back."""


class EmbeddedReader:
    """Reads an engine that was opened read-only, so that it cannot write by type or by accident."""

    offer = OFFER

    def __init__(self, engine: Engine, watch: Watch | None = None) -> None:
        self._engine = engine
        self._watch = watch or Unwatched()

    def observe(self, identities: Collection[str]) -> Observed:
        """Read the whole engine once; it is cheaper than asking for each of many."""
        with self._watch.reading():
            return _observe(self._engine, identities)

    def hsm_objects(self, instance: str) -> tuple[HsmObject, ...]:
        """Ask the instance's token; the engine and the token are left as they are."""
        from kmsplan.resource.hsmobject import HsmObject  # noqa: PLC0415 - an import alone asks for them

        return tuple(
            HsmObject(
                instance=instance,
                object_id=found.identity,
                label=found.label,
                spec=found.spec,
                usages=found.usages,
                problem=found.problem,
                never_left=found.never_left,
            )
            for found in self._engine.hsm_objects(instance)
        )

    def newest(self, actions: Collection[str]) -> Iterator[Event]:
        """Read the audit trail backwards, `TRAIL_LIMIT` entries at most."""
        return map(from_engine, self._engine.audit_newest(actions, TRAIL_LIMIT))

    def close(self) -> None:
        """Close the keystore and end HSM workers."""
        self._engine.close()


class EmbeddedProvider:
    """Reads, and carries out operations; makes the engine at its first use."""

    offer = OFFER

    def __init__(
        self, engine: Engine | None, make: Callable[[], Engine], importing: Importing, watch: Watch | None = None
    ) -> None:
        """Take the engine and its surroundings.

        Args:
            engine: the engine; None where there is none yet.
            make: makes it.
            importing: finds and wraps key material.
            watch: looks on while everything is read.
        """
        self._engine = engine
        self._make = make
        self._importing = importing
        self._watch = watch or Unwatched()

    def observe(self, identities: Collection[str]) -> Observed:
        """Read the engine; one that does not exist yet holds nothing."""
        with self._watch.reading():
            return self._read(identities)

    def prepare(self) -> str:
        """Make the engine where there is none yet; return its environment."""
        return _environment(self._ready())

    def look_up(self, identity: str | None, owner: str | None) -> Observed:
        """Read the engine: to read all of it is cheap."""
        del owner
        return self._read(() if identity is None else (identity,))

    def execute(self, operation: Operation, intent: Callable[[], None] = nothing) -> Executed:
        """Carry out one operation in the engine."""
        try:
            if isinstance(operation, ImportKeyMaterial):
                intent()
                self._importing.carry_out(self._ready(), operation)
                return Executed()
            return Executed(self._ready().execute(operation, intent))
        except KeystoreError as error:
            raise _unwritten(error) from error

    def self_test(self, identity: str) -> bool:
        """Encrypt and decrypt with a key, or sign and verify."""
        from kmsplan.provider.selftest import round_trip  # noqa: PLC0415 - only a succession needs it

        round_trip(self._ready(), identity)
        return True

    def witness(self, lineage: str, serial: int, home: str | None) -> None:
        """Let the engine keep the serial; it has a place for it."""
        del home
        self._ready().witness(lineage, serial)

    def close(self) -> None:
        """Close the keystore and end HSM workers."""
        if self._engine is not None:
            self._engine.close()

    def _read(self, identities: Collection[str]) -> Observed:
        return EmptyReader().observe(identities) if self._engine is None else _observe(self._engine, identities)

    def _ready(self) -> Engine:
        if self._engine is None:
            self._engine = self._make()
        return self._engine


def _unwritten(error: KeystoreError) -> KmsError:
    """Return what it means for an operation that the keystore failed: no other one gets through either."""
    facts = ErrorFacts(
        0,
        str(error),
        retry=isinstance(error, KeystoreGoneError) and not error.in_doubt,  # for a lock was waited long enough
        in_doubt=error.in_doubt,
        late=error.in_doubt,  # a commit whose flush failed may be read again once the database is opened anew
        unreachable=True,
    )
    return KmsError(KEYSTORE, str(error), facts=facts)


def _environment(engine: Engine) -> str:
    return f"embedded/{engine.engine_id}"


def _observe(engine: Engine, identities: Collection[str]) -> Observed:
    description = engine.describe(check_material=True)
    found: dict[str, Observation] = {present.identity: present for present in _presents(description)}
    for identity, message in description.unreadable.items():
        found[identity] = Unreadable("Rejected.Unavailable", message)
    wanted = set(identities)
    return Observed(
        environment=_environment(engine),
        objects={
            **{identity: found[identity] for identity in description.unreadable},  # that it is there is known
            **{identity: found.get(identity, ABSENT) for identity in identities},
        },
        others=tuple(
            present for identity, present in found.items() if identity not in wanted and isinstance(present, Present)
        ),
        states={
            lineage: Witnessed(serial=seen.serial, by=seen.by, at=seen.at)
            for lineage, seen in description.states.items()
        },
    )


def _presents(description: Any) -> Iterator[Present]:
    yield from map(_instance, description.instances)
    yield from map(_key, description.keys)
    yield from map(_alias, description.aliases)


def _tags(row: Mapping[str, Any]) -> tuple[dict[str, str], str | None]:
    tags = {name: value for name, value in row["tags"].items() if name not in RESERVED_TAGS}
    return tags, row["tags"].get(OWNER_TAG)


def _instance(row: Mapping[str, Any]) -> Present:
    tags, owner = _tags(row)
    return Present(
        kind="instance",
        identity=row["instance_id"],
        state=row["status"],
        owner=owner,
        attributes={
            "type": row["type"],
            "spec": row["spec"],
            "key_quota": row["key_quota"],
            "hsm": row["hsm"],
            "proxy": row["proxy"],
            "tags": tags,
            "deletion_protection": row["deletion_protection"],
        },
    )


def _key(row: Mapping[str, Any]) -> Present:
    tags, owner = _tags(row)
    kind = "service_key" if row["read_only"] else _WITHOUT_INSTANCE.get(row["instance_id"], "key")
    return Present(
        kind=kind,
        identity=row["key_id"],
        state=row["state"],
        owner=owner,
        attributes=_of_kind(
            kind,
            {
                "instance": row["instance_id"],
                "spec": row["spec"],
                "usage": row["usage"],
                "origin": row["origin"],
                "storage_mechanism": row["storage_mechanism"],
                "external_key": row["external_key_id"],
                "hsm_object": row["hsm_object"],
                "description": row["description"],
                "enabled": row["state"] != "Disabled",
                "rotation": row["rotation"],
                "versions": row["versions"],
                "tags": tags,
                "policy": row["policy"],
                "deletion_protection": row["deletion_protection"],
                "imported": imported(
                    row["origin"], present=row["primary_version"] is not None, expires=row["material_expires"]
                ),
            },
        ),
        migrated=row["read_only"],
        computed={name: row[name] for name in (_COMPUTED if kind == "key" else (*_COMPUTED, *_TOLD_ALL_THE_SAME))},
    )


def _of_kind(kind: str, attributes: dict[str, Any]) -> dict[str, Any]:
    """Leave out what keys without an instance do not have."""
    return attributes if kind == "key" else {name: attributes[name] for name in KINDS[kind].compared}


def _alias(row: Mapping[str, Any]) -> Present:
    return Present(kind="alias", identity=row["alias"], attributes={"key": row["key_id"]})
