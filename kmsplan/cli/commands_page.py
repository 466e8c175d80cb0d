"""docs/commands.md: every command and option, in Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kmsplan.report.markdown import table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from kmsplan.cli.manual import Page

_HEAD: Final = """\
# Commands

<!-- Made from --help by kmsplan.cli.commands_page; a test fails where it differs. -->

The same as a manual page: `kmsplan man | man -l -`. Completion for bash, zsh and fish: `kmsplan completion SHELL`.
Options of kmsplan itself stand before the command: `kmsplan --quiet plan`. What exit codes mean is in the
[README](../README.md#exit-codes).

## On a terminal, and in a pipeline

The answer goes to standard output, and nothing else does; notes, hints, progress and errors go to standard error, an
error last. `--quiet` leaves notes, hints and progress away; `--verbose` adds which files and which state are read, how
long each step takes, and what is tried again. Neither ever shows a secret.

- Colours are for terminals. The first of these that is set decides: `--no-color`, `NO_COLOR` (no); `FORCE_COLOR` (yes,
  and 0 no), `CLICOLOR_FORCE` (yes); `CLICOLOR=0`, `TERM=dumb`, a pipeline (no).
- Work that takes longer than a second shows how much is done, how fast, and how long the rest takes, in a line that
  goes away again. Without a terminal, work that is counted says a line every ten seconds.
- A pipeline is known by `CI`, `GITHUB_ACTIONS`, `GITLAB_CI`, `TF_BUILD`, `JENKINS_URL` or `TEAMCITY_VERSION`; other
  automation says so with `KMSPLAN_IN_AUTOMATION` or `TF_IN_AUTOMATION`. There nobody is asked and nobody is told what
  to run next: an apply needs a saved plan, `--digest` or `--auto-approve`.
- A table that the terminal (or `COLUMNS`) has no room for becomes a block for each row; nothing is cut off.
- `kmsplan apply --json` prints events, one on a line ([schema](../schemas/event.json)), numbered from 1 without a gap.
  The last one is a `change_summary` whatever happens, with what was done until then.

## All commands

"""


def commands_page(pages: Iterable[Page]) -> str:
    """Return the page."""
    pages = tuple(pages)
    return _HEAD + "".join(_index(pages)) + "".join(line for page in pages for line in _section(page))


def _index(pages: tuple[Page, ...]) -> Iterator[str]:
    for page in pages:
        yield f"- [`{page.path}`](#{page.path.replace(' ', '-')})\n"


def _section(page: Page) -> Iterator[str]:
    yield f"\n## {page.path}\n\n`{page.path} {page.usage}`\n\n"
    for text in (page.purpose, *page.details):
        yield f"{_escaped(text)}\n\n"
    if page.options:
        yield table(("option", ""), ((f"`{option.names}`", _escaped(option.help)) for option in page.options))
    if page.examples:
        yield "\n```sh\n" if page.options else "```sh\n"
        yield from (f"{example}\n" for example in page.examples)
        yield "```\n"


def _escaped(text: str) -> str:
    return text.replace("<", "\\<").replace("*", "\\*").replace("_", "\\_").replace("[", "\\[")
