"""What keys encrypt before something goes wrong, and have to open afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kmsplan.engine.ciphertext import split
from kmsplan.kms.error import KmsError
from kmsplan.kms.operation import DisableKey, EnableKey

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from kmsplan.engine.service import Engine

_PAGE: Final = b"page one"
_OPENS: Final = "opens"


def encrypt_with_all(engine: Engine) -> dict[str, bytes]:
    """Let every symmetric key that is enabled encrypt something; return it by key."""
    rows = [row for row in engine.describe().keys if (row["usage"], row["state"]) == ("ENCRYPT/DECRYPT", "Enabled")]
    return {row["key_id"]: engine.encrypt(row["key_id"], _PAGE).blob for row in rows if not row.get("read_only")}


def opened(engine: Engine, witnesses: Mapping[str, bytes]) -> Iterator[str]:
    """Say of each witness whether it opens; of a key that is disabled, whether it would."""
    for name, blob in witnesses.items():
        yield f"{name}: {_opened(engine, blob)}"


def unopened(engine: Engine, witnesses: Mapping[str, bytes]) -> list[str]:
    """Return what does not open, also where its key is enabled."""
    found = {name: _opened(engine, blob) for name, blob in witnesses.items()}
    return [f"what {name} has encrypted meanwhile: {said}" for name, said in found.items() if _OPENS not in said]


def _opened(engine: Engine, blob: bytes) -> str:
    try:
        return _OPENS if engine.decrypt(blob).plaintext == _PAGE else "opens as something else"
    except KmsError as error:
        if error.code != "Rejected.Disabled":
            return error.code
    key = split(blob)[0]
    engine.execute(EnableKey(key=key))
    try:
        return f"disabled, and {_opened(engine, blob)} when it is not"
    finally:
        engine.execute(DisableKey(key=key))
