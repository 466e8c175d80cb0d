r"""The file that a backup is in: a head that anybody can read, and a body that only its lock opens.

    kmsplan backup 1\n
    {...}\n                         the head: which engine, when, how it is locked
    chunk, chunk, ... last chunk    AES-256-GCM, 64 KiB of content each but the last

The body's key is derived (HKDF-SHA256, RFC 5869) from the lock's key, a salt of this file and the digest of all that
stands before the body, so that another head opens nothing. Chunks are numbered in their nonces and the last one is
marked there (STREAM: Hoang, Reyhanitabar, Rogaway, Vizar, CRYPTO 2015), so that none can be moved, dropped or appended.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import IO, TYPE_CHECKING, Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from kmsplan.engine.error import BackupError
from kmsplan.engine.sealing import ARGON2ID, FileSeal, PassphraseSeal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kmsplan.engine.sealing import Seal
    from kmsplan.kms.secret import SecretBytes

FORMAT: Final = 1
MAGIC: Final = f"kmsplan backup {FORMAT}\n".encode()
CHUNK: Final = 64 * 1024
_TAG: Final = 16
_COUNTER: Final = 11
_KEY: Final = 32
_SALT: Final = 32
_HEAD_LIMIT: Final = 1 << 20
_ANY_MAGIC: Final = b"kmsplan backup "
_PARAMETERS: Final[Mapping[str, Mapping[str, int | None]]] = MappingProxyType(
    {PassphraseSeal.kind: {**ARGON2ID, "salt": None}, FileSeal.kind: {}}
)
"""What a lock may have in the head, by its kind; None is any value."""
_WORDS: Final[Mapping[str, str]] = MappingProxyType({PassphraseSeal.kind: "passphrase", FileSeal.kind: "key file"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What stands in front of a backup, for everybody to read; nothing of it is true before the body has opened."""

    facts: dict[str, Any]
    """About the engine."""
    lock: dict[str, Any]
    """The lock's kind and parameters, such as the salt of a passphrase."""
    salt: str
    check: str
    """Tells a wrong passphrase from a damaged file."""
    content: bytes
    """The head as it stands in the file, the format's line included."""


class Sink:
    """Writes the body; `close` writes its end, without which nothing of it opens.

    Args:
        file: takes the bytes.
        key: the body's.
    """

    def __init__(self, file: IO[bytes], key: bytes) -> None:
        self._file = file
        self._cipher = AESGCM(key)
        self._number = 0
        self._waiting = bytearray()

    def write(self, content: bytes) -> None:
        """Add content."""
        self._waiting += content
        while len(self._waiting) > CHUNK:
            self._put(bytes(self._waiting[:CHUNK]), last=False)
            del self._waiting[:CHUNK]

    def close(self) -> None:
        """Write what waits, as the last chunk."""
        self._put(bytes(self._waiting), last=True)
        self._waiting.clear()

    def _put(self, content: bytes, *, last: bool) -> None:
        self._file.write(self._cipher.encrypt(_nonce(self._number, last=last), content, None))
        self._number += 1


def begin(file: IO[bytes], facts: dict[str, Any], lock: Seal, entropy: Callable[[int], bytes]) -> Sink:
    """Write the head and return where the content goes.

    Raises:
        SealingError: the lock's secret cannot be had.
    """
    parameters = {"kind": lock.kind, **lock.make(entropy)}
    master, salt = lock.key(parameters), entropy(_SALT)
    head = {"check": _derived(master, salt, b"check").hex(), "engine": facts, "lock": parameters, "salt": salt.hex()}
    content = MAGIC + json.dumps(head, sort_keys=True).encode() + b"\n"
    file.write(content)
    return Sink(file, _derived(master, salt, hashlib.sha256(content).digest()))


def read_head(file: IO[bytes], name: str) -> Head:
    """Read the head of a backup.

    Raises:
        BackupError: it is none, or of a format that we do not know.
    """
    magic = file.readline(len(MAGIC) + 8)
    if magic != MAGIC:
        if magic.startswith(_ANY_MAGIC):
            raise BackupError(
                f"{name} has another backup format than {FORMAT}, which this kmsplan knows: a newer kmsplan has "
                "written it. Install that version"
            )
        raise BackupError(
            f"{name} is no backup of a kmsplan engine, or its first bytes were damaged. Name another file"
        )
    line = file.readline(_HEAD_LIMIT)
    try:
        head = json.loads(line)
        return Head(
            facts=dict(head["engine"]),
            lock=dict(head["lock"]),
            salt=str(head["salt"]),
            check=str(head["check"]),
            content=magic + line,
        )
    except (ValueError, KeyError, TypeError) as error:
        raise damaged(name, "its head cannot be read") from error


def read_body(file: IO[bytes], head: Head, lock: Seal, name: str) -> Iterator[bytes]:
    """Yield the content behind a head, each part checked before it is yielded; the last part proves that it was all.

    Raises:
        BackupError: the lock does not open it, or it was damaged.
    """
    cipher = AESGCM(_body_key(head, lock, name))
    number, chunk = 0, file.read(CHUNK + _TAG)
    while True:
        following = file.read(CHUNK + _TAG)
        try:
            yield cipher.decrypt(_nonce(number, last=not following), chunk, None)
        except (InvalidTag, ValueError) as error:
            raise damaged(
                name, f"what follows byte {len(head.content) + number * (CHUNK + _TAG)} does not open"
            ) from error
        if not following:
            return
        number, chunk = number + 1, following


def damaged(name: str, what: str) -> BackupError:
    """Return the error of a file that was changed since it was made."""
    return BackupError(f"the backup {name} was damaged or cut off: {what}. Nothing of it was used. Take another copy")


def _body_key(head: Head, lock: Seal, name: str) -> bytes:
    if head.lock.get("kind") != lock.kind:
        locked = _WORDS.get(str(head.lock.get("kind")), "lock that is not known")
        raise BackupError(f"the backup {name} is locked by a {locked}, and a {_WORDS[lock.kind]} was given")
    if head.lock.keys() != {"kind", *_PARAMETERS[lock.kind]}:
        raise damaged(name, "its head does not say how it is locked")
    # A changed head could ask for any amount of memory: it gets what we ask for when we write.
    if any(
        head.lock[parameter] != wanted for parameter, wanted in _PARAMETERS[lock.kind].items() if wanted is not None
    ):
        raise damaged(name, "its head says that it is locked in another way than kmsplan's")
    try:
        master, salt, check = lock.key(head.lock), bytes.fromhex(head.salt), bytes.fromhex(head.check)
    except (ValueError, TypeError) as error:
        raise damaged(name, "its head cannot be read") from error
    if not hmac.compare_digest(_derived(master, salt, b"check"), check):
        raise BackupError(
            f"the {_WORDS[lock.kind]} that was given does not open the backup {name}, or its head was damaged. Give "
            "what it was made with"
        )
    return _derived(master, salt, hashlib.sha256(head.content).digest())


def _derived(master: SecretBytes, salt: bytes, purpose: bytes) -> bytes:
    kdf = HKDF(algorithm=hashes.SHA256(), length=_KEY, salt=salt, info=b"kmsplan backup 1 " + purpose)
    return kdf.derive(master.reveal())


def _nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(_COUNTER, "big") + bytes([last])
