"""`kmsplan drift --accept`: shows what it would write into the configuration, asks, and writes."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from kmsplan.cli.failure import UserError
from kmsplan.cli.rewriting import read_text, require_unchanged, rewrite

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kmsplan.adopt.accepting import Acceptance
    from kmsplan.adopt.editing import Edited
    from kmsplan.cli.drifting import Explained
    from kmsplan.cli.options import Variables
    from kmsplan.cli.session import Session
    from kmsplan.config.configuration import Configuration
    from kmsplan.drift.report import DriftReport, Finding

_LISTED = 20
"""Refusals that are told one by one."""
_BY_HAND = "Nothing was written. Change the configuration by hand; kmsplan plan shows whether it fits."
_NOTHING = "Nothing to accept: the configuration asks for what the KMS holds."


def accept(
    session: Session, variables: Variables, found: Explained, addresses: Sequence[str], *, auto_approve: bool
) -> None:
    """Write what the KMS holds into the configuration.

    Args:
        session: the command's.
        variables: from the command line.
        found: the drift.
        addresses: what to accept, globs too; where one is refused, nothing is written. None of them means all that
            can be accepted and is not waived.
        auto_approve: whether nobody is asked.

    Raises:
        UserError: it cannot be written, or nobody approved.
    """
    from kmsplan.adopt.accepting import accept as decide  # noqa: PLC0415

    findings = _named(found.report, addresses) if addresses else found.report.findings
    acceptance = decide(findings, *session.objects(variables))
    _refuse(session, acceptance, named=bool(addresses))
    if not acceptance.accepted:
        session.say("Nothing was accepted." if acceptance.refused else _NOTHING)
        return
    before = {name: read_text(session.directory / name) for name in acceptance.changes}
    edits = _edited(before, acceptance)
    after = {name: edited.text for name, edited in edits.items()}
    _require_meant(session, variables, found.configuration, acceptance, after)
    _show(session, before, edits)
    if not auto_approve:
        from kmsplan.cli.asking import approve  # noqa: PLC0415

        question = f"kmsplan will write this into {', '.join(sorted(after))}."
        approve(session, "drift --accept", question, otherwise="Pass --auto-approve to write without being asked.")
    _write(session, before, after)
    session.hint("The next kmsplan apply records it, and changes nothing at the KMS; kmsplan plan shows so.")


def _named(report: DriftReport, addresses: Sequence[str]) -> list[Finding]:
    everything = (*report.findings, *report.waived)
    known = [(one.drift.address or one.drift.identity, one) for one in everything]
    for address in addresses:
        if not any(fnmatchcase(subject, address) for subject, _ in known):
            raise UserError(f"nothing has drifted at {address}", "kmsplan drift lists what has, by address.")
    return [one for subject, one in known if any(fnmatchcase(subject, address) for address in addresses)]


def _refuse(session: Session, acceptance: Acceptance, *, named: bool) -> None:
    """Say what is not accepted; where it was asked for by name, that is an error."""
    if not acceptance.refused:
        return
    lines = [f"  - {_safe(str(one))}." for one in acceptance.refused[:_LISTED]]
    more = len(acceptance.refused) - _LISTED
    listed = "\n".join([*lines, f"  - and {more} more."] if more > 0 else lines)
    if named:
        raise UserError(f"this cannot be accepted:\n{listed}", _BY_HAND)
    session.warn(f"Left as it is:\n{listed}")


def _edited(before: Mapping[str, str], acceptance: Acceptance) -> dict[str, Edited]:
    from kmsplan.adopt.editing import NotEditableError, edited  # noqa: PLC0415

    after = {}
    for name, changes in acceptance.changes.items():
        try:
            after[name] = edited(before[name], changes)
        except NotEditableError as error:
            raise UserError(f"{name} cannot be edited: {error}", _BY_HAND) from None
    return after


def _require_meant(
    session: Session,
    variables: Variables,
    configuration: Configuration,
    acceptance: Acceptance,
    after: Mapping[str, str],
) -> None:
    """Read the files as they would be: they must be valid, and say nothing new but what is accepted.

    Raises:
        UserError: they are not, or do.
    """
    from kmsplan.config.diagnostic import ConfigurationError  # noqa: PLC0415

    try:
        desired = session.configuration(variables, texts=after).desired
    except ConfigurationError as error:
        first = error.diagnostics[0]
        raise UserError(f"what the KMS holds cannot be declared: {first.detail} ({first.code})", _BY_HAND) from None
    expected = {
        address: {**declared.attributes, **acceptance.accepted.get(address, {})}
        for address, declared in configuration.desired.items()
    }
    wrong = [
        address
        for address in {**expected, **desired}
        if address not in expected or address not in desired or desired[address].attributes != expected[address]
    ]
    if wrong:
        raise UserError(f"{wrong[0]} is written in a way that cannot be edited", _BY_HAND)


def _show(session: Session, before: Mapping[str, str], edits: Mapping[str, Edited]) -> None:
    from kmsplan.report.edit_text import edit_text  # noqa: PLC0415
    from kmsplan.report.style import Style  # noqa: PLC0415

    for name in sorted(edits):
        session.print(edit_text(name, before[name], edits[name].edits, Style(color=session.terminal.color)))


def _write(session: Session, before: Mapping[str, str], after: Mapping[str, str]) -> None:
    """Write each file whole, unless somebody has changed one meanwhile."""
    require_unchanged({session.directory / name: text for name, text in before.items()})
    for name in sorted(after):
        rewrite(session, session.directory / name, after[name])
        session.say(f"Wrote {_safe(name)}.")


def _safe(text: str) -> str:
    from kmsplan.report.escape import escape  # noqa: PLC0415

    return escape(text)
