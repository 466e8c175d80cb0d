"""From a configuration to an explained drift report: state, KMS, audit trail and memory read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kmsplan.cli.failure import UserError
from kmsplan.cli.planning import Reading, drift_of, observe, reading, warn_of_doubts
from kmsplan.cli.session import now

if TYPE_CHECKING:
    from pathlib import Path

    from kmsplan.cli.options import Variables
    from kmsplan.cli.session import Session
    from kmsplan.config.configuration import Configuration
    from kmsplan.drift.explain import Newest
    from kmsplan.drift.memory import Memory
    from kmsplan.drift.report import DriftReport
    from kmsplan.plan.plan import Drift
    from kmsplan.provider.protocol import Reader


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """A drift report, and what it was made from."""

    configuration: Configuration
    report: DriftReport
    read: Reading

    @property
    def environment(self) -> str:
        """Which KMS it is about."""
        return self.read.observed.environment


def explained(session: Session, variables: Variables, *, events: Path | None, memory: Path | None) -> Explained:
    """Compare state and KMS, and explain what differs.

    Args:
        session: the command's.
        variables: from the command line.
        events: audit events that tell who did it; None where the KMS's own trail does, if it can be read.
        memory: what remembers since when drift is known; it is read and written anew.

    Raises:
        UserError: the events cannot be read, the memory cannot be written, or it is another KMS.
    """
    configuration = session.configuration(variables)
    recorded = session.store(configuration).load()
    told = _newest(events) if events else None
    with reading(session, configuration) as reader:
        read = observe(reader, configuration, recorded)
        _refuse_another_kms(read)
        _warn_of_old_state(session, read)
        warn_of_doubts(session, read)
        report = _explain(session, configuration, read, told or _trail(reader), memory)
    return Explained(configuration=configuration, report=report, read=read)


def _explain(
    session: Session, configuration: Configuration, read: Reading, newest: Newest | None, memory: Path | None
) -> DriftReport:
    from kmsplan.drift.explain import Context, explain  # noqa: PLC0415

    found, at = drift_of(configuration, read), now()
    time = at.strftime("%Y-%m-%dT%H:%M:%SZ")
    context = Context(
        day=at.date(),
        desired=configuration.desired,
        waivers=configuration.waivers,
        newest=newest,
        memory=_remembered(session, memory, read.recorded.lineage, found, time) if memory else {},
    )
    return explain(found, read.recorded, read.observed, context)


def _refuse_another_kms(read: Reading) -> None:
    """Compare nothing with a KMS that it is not of: all of it would seem to have vanished.

    Raises:
        UserError: the configuration reaches another KMS than the state is of.
    """
    recorded, observed = read.recorded.environment, read.observed.environment
    if recorded and recorded != observed:
        raise UserError(
            f"the state's records are of {recorded}, and the configuration reaches {observed} (P101)",
            "Check the engine's path or region; if the engine's folder was moved or lost, put it back from a backup.",
        )


def _warn_of_old_state(session: Session, read: Reading) -> None:
    seen = read.observed.ahead_of(read.recorded.lineage, read.recorded.serial)
    if seen is not None:
        session.note(
            f"The KMS has seen {seen}, and this state is at serial {read.recorded.serial}: an old one was put back, so "
            "that what an apply has done since shows as drift (P120)."
        )


def _trail(reader: Reader) -> Newest | None:
    """Return how to read the KMS's own trail, where it has one."""
    from kmsplan.provider.protocol import Trail  # noqa: PLC0415

    return reader.newest if isinstance(reader, Trail) else None


def _newest(path: Path) -> Newest:
    from kmsplan.provider.events import EventsFile, EventsFileError  # noqa: PLC0415

    try:
        return EventsFile.read(path).newest
    except EventsFileError as error:
        raise UserError(
            str(error),
            "--events takes events of ActionTrail or lines of kmsplan engine audit export, as one JSON array or one "
            "JSON object a line.",
        ) from None


def _remembered(session: Session, path: Path, lineage: str, found: tuple[Drift, ...], time: str) -> Memory:
    """Return since when drift is known, and keep it for the next time; a file that is none is left alone."""
    from kmsplan.drift.memory import MemoryDamagedError, dump, parse, remember  # noqa: PLC0415

    try:
        memory = parse(path.read_bytes()) if path.exists() else {}
    except MemoryDamagedError as error:
        session.warn(
            f"Warning: {path} does not remember drift: {error}. It was left as it is, and this report tells of no "
            "first time. Delete it, and the next report begins a new one."
        )
        return {}
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}", "Name a file that you can read.") from error
    after = remember(memory, lineage, found, time)
    if after != memory:
        session.write(path, dump(after))
    return after
