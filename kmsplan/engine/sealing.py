"""How the root key is sealed: by a passphrase, or by a key file; `hsmseal` has the seal of an HSM.

The root key is wrapped (AES-256-GCM) under a key that the seal yields. What that needs besides the secret, such as the
salt, stands in the keystore and is bound to the wrapping.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any, ClassVar, Final, Protocol

from kmsplan.engine.error import KeystoreCorruptError, SealingError
from kmsplan.engine.framing import framed
from kmsplan.engine.keystore.drafts import new_file
from kmsplan.engine.keystore.folder import add_folder
from kmsplan.kms.ownfile import open_to_others
from kmsplan.kms.secret import SecretBytes

if TYPE_CHECKING:
    from pathlib import Path

KEY_BYTES: Final = 32
SALT_BYTES: Final = 16
IV_BYTES: Final = 12
# RFC 9106, 4, second recommended option: 64 MiB, for machines that cannot spare 2 GiB.
ARGON2ID: Final = {"iterations": 3, "lanes": 4, "memory_kib": 64 * 1024}
_STRETCHING: Final = Lock()
"""OpenSSL 4.0.3 stretches in threads, one for each lane, and two callers at once wait for each other's for ever."""
HSM: Final = "hsm"
"""The kind of seal whose key is in an HSM; a root key that it seals is in no backup."""
_TOKEN: Final = ("module", "token")

Entropy = Callable[[int], bytes]


class Seal(Protocol):
    """Where the key that opens the root key comes from."""

    kind: ClassVar[str]

    def make(self, entropy: Entropy) -> dict[str, Any]:
        """Make what the seal needs at first; return what of it the keystore keeps."""

    def key(self, parameters: dict[str, Any]) -> SecretBytes:
        """Return the key.

        Raises:
            SealingError: it cannot be had.
        """

    def wrong(self) -> str:
        """Say that the root key does not open with it, and what to do."""


@dataclass(frozen=True, slots=True)
class PassphraseSeal:
    """A passphrase, stretched by Argon2id (RFC 9106). It is asked for only when it is needed."""

    passphrase: Callable[[], SecretBytes]
    kind: ClassVar[str] = "passphrase"

    def make(self, entropy: Entropy) -> dict[str, Any]:
        """Choose a salt."""
        return {"salt": entropy(SALT_BYTES).hex(), **ARGON2ID}

    def key(self, parameters: dict[str, Any]) -> SecretBytes:
        """Stretch the passphrase; takes about a tenth of a second and 64 MiB, for one caller at a time."""
        from cryptography.hazmat.primitives.kdf.argon2 import Argon2id  # noqa: PLC0415 - planning opens no seal

        secret = self.passphrase().reveal()
        if not secret:
            raise SealingError("the passphrase is empty. Give the one that the engine or backup was made with")
        stretch = Argon2id(
            salt=bytes.fromhex(parameters["salt"]),
            length=KEY_BYTES,
            iterations=parameters["iterations"],
            lanes=parameters["lanes"],
            memory_cost=parameters["memory_kib"],
        )
        with _STRETCHING:
            return SecretBytes(stretch.derive(secret))

    def wrong(self) -> str:
        """Say what to do."""
        return f"the passphrase does not open the engine's root key. Give the one that sealed it{_ROTATED}"


@dataclass(frozen=True, slots=True)
class FileSeal:
    """A file of 32 random bytes, readable by its owner alone."""

    path: Path
    kind: ClassVar[str] = "file"

    def make(self, entropy: Entropy) -> dict[str, Any]:
        """Make the file, unless it is there: a key file is never overwritten, and never there half-written.

        Raises:
            SealingError: it cannot be made, or what is there is no key file.
        """
        if self.path.exists():  # its folder need not be one that can be written to
            self.key({})
            return {}
        try:
            self._make(entropy)
        except OSError as error:
            raise SealingError(
                f"the key file {self.path} cannot be made ({error.strerror}). Check the owner and mode of its folder, "
                "and the space on its disk"
            ) from error
        return {}

    def _make(self, entropy: Entropy) -> None:
        add_folder(self.path.parent)
        try:
            with new_file(self.path) as draft, draft.open("wb") as file:
                file.write(entropy(KEY_BYTES))
                file.flush()
                os.fsync(file.fileno())
        except FileExistsError:
            self.key({})

    def key(self, parameters: dict[str, Any]) -> SecretBytes:
        """Read the file, checking who else could have."""
        del parameters
        try:
            with self.path.open("rb") as file:
                problem = open_to_others(file)
                content = file.read(KEY_BYTES + 1)
        except FileNotFoundError as error:
            raise SealingError(
                f"the key file {self.path} is missing, and nothing that it seals opens without it. {_COPY}"
            ) from error
        except OSError as error:
            raise SealingError(
                f"the key file {self.path} cannot be read ({error.strerror}). Check its owner and mode"
            ) from error
        if problem is not None:
            raise SealingError(f"the key file {self.path} {problem}. Close it: chmod 600 {self.path}")
        if len(content) != KEY_BYTES:
            raise SealingError(f"{self.path} is no key file: it does not hold {KEY_BYTES} bytes. {_COPY}")
        return SecretBytes(content)

    def wrong(self) -> str:
        """Say what to do."""
        return f"the key file {self.path} does not open the engine's root key. {_COPY}{_ROTATED}"


_COPY: Final = "Put back your copy of it"


_ROTATED: Final = (
    ". If the root key was sealed in another way since (kmsplan engine rotate-root), correct engine: {embedded: {seal: "
    "...}} in the configuration, and start servers again"
)


def default_key_file(folder: Path) -> Path:
    """Return where an engine's key file is unless somebody chooses another place."""
    return folder / "root.key"


def make_root(seal: Seal, engine_id: str, entropy: Entropy) -> tuple[SecretBytes, bytes]:
    """Return a new root key, and the record of how it is sealed; raises as `seal_root`."""
    root = SecretBytes(entropy(KEY_BYTES))
    return root, seal_root(seal, engine_id, root, entropy)


def seal_root(seal: Seal, engine_id: str, root: SecretBytes, entropy: Entropy) -> bytes:
    """Seal a root key; return the record of how it is sealed.

    Raises:
        SealingError: the seal cannot be made.
    """
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - planning opens no seal

    parameters, iv = {"kind": seal.kind, **seal.make(entropy)}, entropy(IV_BYTES)
    wrapped = AESGCM(seal.key(parameters).reveal()).encrypt(iv, root.reveal(), _bound(engine_id, parameters))
    return json.dumps({**parameters, "root": (iv + wrapped).hex()}, sort_keys=True).encode()


def open_root(seal: Seal, engine_id: str, record: bytes) -> SecretBytes:
    """Return the root key.

    Raises:
        SealingError: the seal is another one, cannot be had, or does not open it.
    """
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - as above
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - as above

    parameters, blob = _parse(record)
    if parameters["kind"] != seal.kind:
        raise SealingError(
            f"the engine's root key is sealed by {said(parameters['kind'])}, and {said(seal.kind)} was given. "
            "Correct engine: {embedded: {seal: ...}} in the configuration, and start servers again"
        )
    opener = AESGCM(seal.key(parameters).reveal())
    try:
        return SecretBytes(opener.decrypt(blob[:IV_BYTES], blob[IV_BYTES:], _bound(engine_id, parameters)))
    except InvalidTag as error:
        raise SealingError(seal.wrong()) from error


def said(kind: str) -> str:
    """Return what sentences call a seal of a kind."""
    return "an HSM" if kind == HSM else f"a {kind}"


def kind_of(record: bytes) -> str:
    """Return how the root key is sealed: passphrase, file or hsm."""
    kind: str = _parse(record)[0]["kind"]
    return kind


def token_of(record: bytes) -> dict[str, str] | None:
    """Return module and token of the HSM that seals the root key; None where none does."""
    parameters, _ = _parse(record)
    return {name: parameters[name] for name in _TOKEN} if parameters["kind"] == HSM else None


def _parse(record: bytes) -> tuple[dict[str, Any], bytes]:
    """Return the seal's parameters and the wrapped root key."""
    try:
        parameters = json.loads(record)
        return parameters, bytes.fromhex(parameters.pop("root"))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise KeystoreCorruptError(
            "the keystore's record of how its root key is sealed is damaged. Restore the engine's folder from its "
            "newest backup"
        ) from error


def _bound(engine_id: str, parameters: dict[str, Any]) -> bytes:
    return framed(b"kmsplan root 1", engine_id.encode(), json.dumps(parameters, sort_keys=True).encode())
