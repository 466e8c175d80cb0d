"""Answers that are recorded in a spool: all that a call of the data plane usually writes is its audit entry.

Whatever else a job wants to write, the date of a key's use or how often it has encrypted, is refused by the database,
for the connection only reads; that job needs a transaction.
"""

from __future__ import annotations

import os
from contextlib import suppress
from threading import Event, Thread
from typing import TYPE_CHECKING, Any, Final

from kmsplan.engine.error import KeystoreError
from kmsplan.engine.keystore import spools
from kmsplan.engine.keystore.connection import FAILURES
from kmsplan.engine.keystore.transaction import Transaction
from kmsplan.engine.keystore.turn import gate

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from kmsplan.engine.keystore.connection import Connection
    from kmsplan.engine.keystore.transaction import Ticket

PAUSE: Final = 0.1
"""Seconds that entries wait in the spool at least, for more of them."""
RETRY: Final = 1.0
"""Seconds after which a fold that failed is tried again."""
_FILL: Final = 16

Jobs = list["Ticket[Any]"]


class Recorder:
    """The spool of this process, and the thread that brings it in.

    Args:
        folder: the engine's.
        db: a connection that reads; closed by `close`.
        draft: turns an audit entry into the bytes that wait for its place in the trail.
        fold: brings all spools into the database.

    Raises:
        OSError: the spool cannot be had.
    """

    def __init__(self, folder: Path, db: Connection, draft: Callable[[Any], bytes], fold: Callable[[], None]) -> None:
        self._db = db
        self._draft = draft
        self._fold = fold
        self._spool = spools.take(folder, db)
        self._gate = gate(folder)
        self._sound = False
        """Whether it may be appended to: not before it is begun, nor after a failed flush before it is begun anew."""
        self._waits = True
        """Whether the thread knows that something is in the spool; of the first it cannot tell."""
        self._told, self._closed = Event(), Event()
        self._told.set()
        self._thread = Thread(target=self._serve, name="kmsplan spool", daemon=True)
        self._thread.start()

    def carry_out(self, jobs: Jobs) -> tuple[Jobs, Jobs]:
        """Carry jobs out that write nothing but audit entries; return those that were, and those that were not.

        What was carried out has its result or its error, and is on disk.
        """
        if not any(job.records for job in jobs):
            return [], jobs
        try:
            with self._gate.together():
                if not self._sound and not self._begun():
                    return [], jobs
                return self._record(jobs)
        except BlockingIOError:
            return [], jobs

    def close(self) -> None:
        """Give the spool back; what is in it is brought in by whoever writes next."""
        self._closed.set()
        self._told.set()
        self._thread.join()
        self._gate.close()
        self._spool.close()
        self._db.close()

    def _record(self, jobs: Jobs) -> tuple[Jobs, Jobs]:
        view = Transaction(self._db)
        done: Jobs = []
        left: Jobs = []
        for job in jobs:
            (done if job.records and _run(view, job) else left).append(job)
        try:
            if view.entries and not self._spool.append([self._draft(entry) for entry in view.entries]):
                self._sound = False
                return [], jobs
        except OSError as error:
            self._sound = False
            failure = _failure(self._spool.name, error)
            for job in done:
                job.error = failure
        except (TypeError, ValueError):  # what is no JSON fails in the transaction, too, and there it has its answer
            return [], jobs
        if not self._waits:
            self._waits = True
            self._told.set()
        return done, left

    def _begun(self) -> bool:
        """Begin the spool where all that is in it was brought in."""
        with suppress(OSError, KeystoreError, *FAILURES):
            if spools.emptied(self._spool, self._db):
                self._spool.begin(os.urandom(_FILL))
                self._sound = True
        return self._sound

    def _serve(self) -> None:
        while self._told.wait() and not self._closed.wait(PAUSE):
            self._told.clear()
            if self._closed.is_set():  # it was told so just before that was cleared, and will not be told again
                return
            self._waits = False
            try:
                self._fold()
            except (KeystoreError, OSError):  # the entries are on disk, and who writes next meets the same
                self._told.set()
                self._closed.wait(RETRY)


def _run(view: Transaction, job: Ticket[Any]) -> bool:
    """Run one job; False if it needs a transaction."""
    mark, after = len(view.entries), len(view.after)
    try:
        job.result, job.error = job.work(view), None
        recorded = len(view.after) == after
    except FAILURES:
        recorded = False
    except Exception as error:  # noqa: BLE001 - whatever it is, it is this caller's answer
        del view.entries[mark:]
        job.error = error
        return True
    if not recorded:
        del view.entries[mark:], view.after[after:]
    return recorded


def _failure(name: str, error: OSError) -> KeystoreError:
    return KeystoreError(
        f"the audit spool {name} cannot be written ({error.strerror}). Whether the last entries were is not known: "
        "check the disk",
        in_doubt=True,
    )
