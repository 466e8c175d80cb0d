"""Sealing the root key with a key in an HSM, which never leaves it.

The token makes an AES-256 key, not extractable, and encrypts with it (CKM_AES_GCM) a key of ours, which wraps the root
key. So whoever has the keystore and not the token, or not its PIN, has nothing. The token is asked when the engine is
opened, and not again.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Final

from kmsplan.engine import sealnote
from kmsplan.engine.error import KeystoreCorruptError, SealingError
from kmsplan.engine.keystore import setting
from kmsplan.engine.keystore import version as versions
from kmsplan.engine.protection.protocol import (
    Encrypter,
    InvalidCiphertextError,
    Movable,
    NotOfferedError,
    Protection,
    ProtectionUnavailableError,
)
from kmsplan.engine.sealing import HSM, KEY_BYTES, Entropy, Seal
from kmsplan.engine.unsealing import SEAL
from kmsplan.kms.secret import SecretBytes
from kmsplan.kms.spec import KeySpec, KeyUsage

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from kmsplan.engine.keystore.connection import Connection

_BOUND: Final = b"kmsplan seal 1"


@dataclass(frozen=True, slots=True)
class HsmSeal:
    """A key in a PKCS#11 token."""

    module: str
    token: str
    """Its label."""
    opened: Callable[[], Protection]
    """Opens the token, with its PIN."""
    inhabited: bool = False
    """Whether keys are in the token already, so that another one of its name is not made to look like it."""
    folder: Path | None = None
    """Where it is noted which key is being made; see `sealnote`. None notes nothing."""
    kind: ClassVar[str] = HSM

    def make(self, entropy: Entropy) -> dict[str, Any]:
        """Make a key in the token, and one of ours that it encrypts.

        Raises:
            SealingError: the token cannot be used.
        """
        with ExitStack() as stack:
            reference, is_new = self._noted(stack, entropy)
            stack.enter_context(self._talking())
            token = stack.enter_context(closing(self.opened()))
            if isinstance(token, Movable):
                token.expect_home(self.inhabited)
            token.generate(KeySpec.AES_256, KeyUsage.ENCRYPT, reference)
            try:
                sealed = self._handle(token, reference).encrypt(entropy(KEY_BYTES), _BOUND)
            except BaseException:
                if is_new:
                    with suppress(ProtectionUnavailableError):
                        token.destroy(reference)
                raise
        return {"key": sealed.hex(), "module": self.module, "reference": reference.hex(), "token": self.token}

    def _noted(self, stack: ExitStack, entropy: Entropy) -> sealnote.Noted:
        """Return the key to be made; it is nobody else's until the stack is unwound."""
        if self.folder is None:
            return sealnote.Noted(entropy(sealnote.REFERENCE_BYTES), new=True)
        try:
            return stack.enter_context(
                sealnote.noted(self.folder, {"module": self.module, "token": self.token}, entropy)
            )
        except OSError as error:
            raise SealingError(
                f"it cannot be noted in {self.folder} which key the token {self.token!r} is to make: {error.strerror}. "
                "Check the owner and mode of that folder, and the space on its disk"
            ) from error

    def key(self, parameters: dict[str, Any]) -> SecretBytes:
        """Let the token decrypt the key.

        Raises:
            SealingError: the token cannot be used, or is another one.
        """
        try:
            reference, sealed = bytes.fromhex(parameters["reference"]), bytes.fromhex(parameters["key"])
        except (KeyError, ValueError, TypeError) as error:
            raise KeystoreCorruptError(
                "the keystore's record of how its root key is sealed is damaged. Restore the engine from its newest "
                "backup"
            ) from error
        with self._talking(), closing(self.opened()) as token:
            return SecretBytes(self._handle(token, reference).decrypt(sealed, _BOUND))

    def wrong(self) -> str:
        """Say what to do."""
        return (
            f"the key in token {self.token!r} of {self.module} does not open the engine's root key. Connect the token "
            "that sealed it, or a copy of it"
        )

    def _handle(self, token: Protection, reference: bytes) -> Encrypter:
        handle = token.open(KeySpec.AES_256, reference, None)
        if not isinstance(handle, Encrypter):
            raise NotOfferedError("it does not encrypt with AES-GCM")
        return handle

    @contextmanager
    def _talking(self) -> Iterator[None]:
        """Say what is wrong with the token as what it means here."""
        try:
            yield
        except InvalidCiphertextError as error:
            raise SealingError(self.wrong()) from error
        except (ProtectionUnavailableError, NotOfferedError) as error:
            raise SealingError(
                f"the token {self.token!r} of {self.module}, whose key seals the engine's root key, cannot be used: "
                f"{error}"
            ) from error


def beside_keys(seal: Seal, db: Connection, folder: Path) -> Seal:
    """Return a seal for an engine that is there.

    It takes a token for another one where the keystore has keys in it and it has no sentinel; and it notes in the
    engine's folder which key it makes.
    """
    if isinstance(seal, HsmSeal):
        sealnote.settle(folder, lambda: setting.load(db, SEAL))
        at_home = versions.one_at_home(db, seal.module, seal.token) is not None
        return replace(seal, inhabited=at_home, folder=folder)
    return seal


def for_new(seal: Seal, folder: Path) -> Seal:
    """Return a seal for an engine that is being made; it notes in its folder which key it makes."""
    return replace(seal, folder=folder) if isinstance(seal, HsmSeal) else seal
