"""Imported key material (BYOK) among a key's attributes: where it is found, and until when it is there.

`material` says where kmsplan finds it, and is never sent or compared. `imported` is what the KMS says of it: the time
it expires, `never` where it does not, `absent` where there is none. What it is stands nowhere.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from kmsplan.kms.capability import Origin
from kmsplan.kms.operation import ImportKeyMaterial
from kmsplan.resource.step import Effect, Step

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kmsplan.kms.operation import Identity
    from kmsplan.resource.attribute import Attributes

SOURCES: Final = ("env", "file", "exec")
NEVER: Final = "never"
ABSENT: Final = "absent"
RAW: Final = "raw"
BASE64: Final = "base64"
_MIDNIGHT: Final = "T00:00:00Z"
_DAY_LENGTH: Final = len("2027-12-31")


def found_at(written: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return where material is found and how it is written there, without its expiry date."""
    if written is None:
        return None
    return {"format": RAW, **{name: value for name, value in written.items() if name != "expires"}}


def expiry(written: Mapping[str, Any] | None) -> str | None:
    """Return what `imported` is to be: a time, `never`, or None where the configuration has no material."""
    if written is None:
        return None
    text: str = written.get("expires", NEVER)
    return f"{text}{_MIDNIGHT}" if len(text) == _DAY_LENGTH else text


def moment(imported: str | None) -> datetime | None:
    """Return when material expires; None where it does not, or the text is no time."""
    try:
        return datetime.fromisoformat(imported) if imported not in (None, NEVER, ABSENT) else None
    except ValueError:
        return None


def ends_sooner(before: str | None, after: str | None) -> bool:
    """Return whether material that is there now is to expire, and sooner than it would have."""
    until, expected = moment(after), moment(before)
    return until is not None and before not in (None, ABSENT) and (expected is None or until < expected)


def observed(origin: str, *, present: bool, expires: str | None) -> str | None:
    """Return `imported` as a KMS has it.

    Args:
        origin: the key's.
        present: whether the key has material.
        expires: when it expires, as the API writes times; None is never.
    """
    if origin != Origin.EXTERNAL:
        return None
    return (expires or NEVER) if present else ABSENT


def import_steps(key: Identity, before: Attributes, after: Attributes) -> tuple[Step, ...]:
    """Return ImportKeyMaterial where the material is not there, or expires at another time than it should."""
    wanted = after.get("imported")
    if wanted in (None, ABSENT) or wanted == before.get("imported") or not after.get("material"):
        return ()
    until = moment(wanted)
    operation = ImportKeyMaterial(
        key=key,
        spec=after["spec"],
        material=after["material"],
        expires=None if until is None else int(until.timestamp()),
    )
    return (Step(operation=operation, effect=Effect(attributes={"imported": wanted})),)
