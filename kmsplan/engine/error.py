"""What can be wrong with the engine itself: one class per remedy.

EngineError
  EngineMissingError, EngineExistsError, EngineVersionError, ReadOnlyEngineError
  SealingError            the root key cannot be opened: passphrase, key file
  KeystoreError           the database: corrupt, full, read-only, locked, gone, failing
  MaterialCorruptError    a wrapped key does not open
  AuditError              the audit trail was changed
  BackupError             a backup cannot be made, or not be trusted

What the API itself would answer is a `kmsplan.kms.error.KmsError`.
"""

from __future__ import annotations


class EngineError(Exception):
    """The engine cannot be used as asked. The message says why and what to do."""


class EngineMissingError(EngineError):
    """The folder holds no engine."""


class EngineExistsError(EngineError):
    """The folder already holds an engine."""


class EngineVersionError(EngineError):
    """The keystore was written by a newer version."""


class ReadOnlyEngineError(EngineError):
    """The engine was opened for reading and asked to change something."""


class SealingError(EngineError):
    """The root key cannot be sealed or opened this way."""


class KeystoreError(EngineError):
    """The database failed.

    Args:
        message: what is wrong and what to do.
        in_doubt: whether the write may have reached the disk all the same.
    """

    def __init__(self, message: str, *, in_doubt: bool = False) -> None:
        self.in_doubt = in_doubt
        super().__init__(message)


class KeystoreCorruptError(KeystoreError):
    """The database file is damaged, or is none."""


class KeystoreFullError(KeystoreError):
    """The disk is full."""


class KeystoreReadOnlyError(KeystoreError):
    """The database may not be written."""


class KeystoreLockedError(KeystoreError):
    """Another process holds the database."""


class KeystoreGoneError(KeystoreError):
    """The database server does not answer, or does not let us in."""


class MaterialCorruptError(EngineError):
    """Wrapped material does not open: its row was damaged, swapped or rolled back."""


class AuditError(EngineError):
    """The audit trail does not hold together.

    Args:
        message: what was found and what to do.
        seq: number of the first entry that is wrong.
    """

    def __init__(self, message: str, seq: int) -> None:
        self.seq = seq
        super().__init__(message)


class BackupError(EngineError):
    """A backup cannot be made, read or restored."""
