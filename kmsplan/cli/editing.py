"""Changing records by themselves, for the commands that mend a state."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from kmsplan.cli import kms
from kmsplan.cli.failure import UserError
from kmsplan.cli.planning import reading
from kmsplan.cli.witnessing import connect_and_tell

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kmsplan.cli.session import Session
    from kmsplan.config.configuration import Configuration
    from kmsplan.resource.value import Observed
    from kmsplan.state.protocol import Journal, Writing
    from kmsplan.state.record import Recorded


@contextlib.contextmanager
def editing(
    session: Session, configuration: Configuration, command: str, *, lineage: str | None = None
) -> Iterator[Journal]:
    """Change records under the lock: journalled, then saved as a new serial, of which the KMS is told.

    Args:
        session: the command's.
        configuration: names state and KMS.
        command: for lock and journal.
        lineage: begin a state of this lineage, behind the serial that the KMS has seen of it.

    Raises:
        UserError: the KMS has seen a newer state, or is another one.
    """
    store = session.store(configuration)
    with reading(session, configuration) as reader:
        observed = reader.observe(())
    with store.lock(owner=kms.actor(), command=command) as lock, store.open(lock) as writing:
        session.trace("lock: taken")
        if lineage is not None:
            writing.init(lineage)
        begin(writing, observed, command, behind=lineage is not None)
        yield writing.journal
        connect_and_tell(session, configuration, writing.save())


def begin(writing: Writing, observed: Observed, command: str, *, behind: bool = False) -> None:
    """Write down that a command changes records.

    Args:
        writing: the state.
        observed: a reading of the KMS.
        command: for the journal.
        behind: go on behind the serial that the KMS has seen, instead of refusing.

    Raises:
        UserError: the KMS has seen a newer state, or is another one.
    """
    recorded, serial = writing.recorded, None
    if behind:
        seen = observed.ahead_of(recorded.lineage, recorded.serial)
        serial = seen.serial + 1 if seen else None
    else:
        refuse_old(recorded, observed)
    writing.journal.run(command=command, environment=observed.environment, by=kms.actor(), serial=serial)


def refuse_old(recorded: Recorded, observed: Observed) -> None:
    """Refuse to build on a state of which the KMS has seen a newer serial, or that is of another KMS.

    Raises:
        UserError: it has, or is.
    """
    if recorded.environment not in ("", observed.environment):
        raise UserError(
            f"the state is of {recorded.environment}, and the configuration reaches {observed.environment} (P101)",
            "Nothing was changed. Check the engine's path or region.",
        )
    seen = observed.ahead_of(recorded.lineage, recorded.serial)
    if seen is not None:
        raise UserError(
            f"the state is at serial {recorded.serial}, and the KMS has seen {seen}: an old state was put back (P120)",
            "Nothing was changed. Put the newest state back, or move this one away and run kmsplan state rebuild. To "
            "go on with this one as it is: kmsplan apply --accept-old-state.",
        )
