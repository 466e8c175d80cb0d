"""`kmsplan man`: the manual page, in the man macros that every man program reads."""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING, Final

import click

from kmsplan import __version__
from kmsplan.cli.exitcode import ExitCode
from kmsplan.cli.session import Session, pass_session

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from kmsplan.cli.manual import Page

_WIDTH: Final = 78
CODES: Final = {
    ExitCode.DONE: "Done, or nothing to do.",
    ExitCode.ERROR: "An error; nothing was changed unless the message says so.",
    ExitCode.CHANGES: "There are changes or drift, or something is due.",
    ExitCode.FORMAT: "A file is not in canonical form.",
    ExitCode.REFUSED: "A rule or brake refuses.",
    ExitCode.APPROVAL_MISSING: "Nobody has approved.",
    ExitCode.LOCK_HELD: "Another run holds the lock.",
    ExitCode.STALE: "The saved plan no longer holds, or was edited.",
    ExitCode.PARTLY_APPLIED: "Some changes were carried out, others not.",
    ExitCode.CANCELLED: "Cancelled.",
    ExitCode.IN_DOUBT: "It is not known of some operation whether it was carried out; the next apply asks the KMS.",
}


@click.command()
@click.pass_context
@pass_session
def man(session: Session, ctx: click.Context) -> None:
    """Print the manual page of all commands, for man."""
    from kmsplan.cli.manual import pages  # noqa: PLC0415 - imports every command

    root = ctx.find_root().command
    assert isinstance(root, click.Group)  # noqa: S101 - main says so
    session.print(man_page(pages(root)))


def man_page(pages: Iterable[Page]) -> str:
    """Return the commands as one manual page."""
    root, *others = pages
    lines = [
        f'.TH KMSPLAN 1 "" "kmsplan {__version__}" "kmsplan"',
        ".nh",
        ".SH NAME",
        f"kmsplan \\- {_roff(root.purpose.rstrip('.'))}",
        ".SH SYNOPSIS",
        ".B kmsplan",
        _roff(root.usage),
        ".SH DESCRIPTION",
        *_paragraphs(root.details),
        ".SH OPTIONS",
        *_options(root),
        ".SH COMMANDS",
        *(line for page in others for line in _command(page)),
        ".SH EXIT STATUS",
        *(line for code in ExitCode for line in (".TP", f".B {code.value}", _roff(CODES[code]))),
        ".SH EXAMPLES",
        *_examples(root),
    ]
    return "".join(f"{line}\n" for line in lines)


def _command(page: Page) -> Iterator[str]:
    yield f'.SS "{_roff(page.path)}"'
    yield from _paragraphs((f"{page.path} {page.usage}", page.purpose, *page.details))
    yield from _options(page)
    if page.examples:
        yield ".PP"
        yield from _examples(page)


def _paragraphs(texts: Iterable[str]) -> Iterator[str]:
    for number, text in enumerate(texts):
        if number:
            yield ".PP"
        yield _roff(text)


def _options(page: Page) -> Iterator[str]:
    for option in page.options:
        yield from (".TP", f".B {_roff(option.names)}", _roff(option.help))


def _examples(page: Page) -> Iterator[str]:
    yield ".nf"
    yield from map(_roff, page.examples)
    yield ".fi"


def _roff(text: str) -> str:
    """Return text that roff sets as it is: no macro, no escape, and hyphens that can be copied.

    Its lines are folded, at spaces, as the sources of manual pages are.
    """
    escaped = text.replace("\\", "\\e").replace("-", "\\-").replace('"', "\\(dq")
    folded = textwrap.wrap(escaped, _WIDTH, break_long_words=False, break_on_hyphens=False)
    return "\n".join(re.sub(r"^(?=[.'])", "\\\\&", line) for line in folded)
