"""`kmsplan state rekey`: the state follows its configuration to another key, to none, or to its first."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from kmsplan.cli import kms
from kmsplan.cli.failure import UserError
from kmsplan.cli.options import Variables, variable_options
from kmsplan.cli.session import Session, entropy, pass_session
from kmsplan.kms.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kmsplan.state.cipher import Codec
    from kmsplan.state.recoding import Left, Rekeyed

_COMMAND: Final = "state rekey"
_SHOWN: Final = 20
"""So many parts that stay as they were are named."""


@click.command()
@click.option("--from-plain", "plain", is_flag=True, help="It is not encrypted now.")
@click.option(
    "--from-env", "names", metavar="NAME", multiple=True, help="The environment variable with its key now; repeatable."
)
@click.option(
    "--from-file",
    "paths",
    type=click.Path(path_type=Path),
    metavar="PATH",
    multiple=True,
    help="The file with its key now; repeatable.",
)
@variable_options
@pass_session
def rekey(
    session: Session, variables: Variables, names: tuple[str, ...], paths: tuple[Path, ...], *, plain: bool
) -> None:
    """Put the state, its history and its journal under the key that the configuration names, or into the clear.

    Change `encryption` under `state` first, then say here how the state is kept now: more than once where parts of it
    are under different keys. A rekey that was interrupted is finished by the same command.
    """
    before = list(_codecs(session, plain=plain, names=names, paths=paths))
    if not before:
        raise click.UsageError("say how the state is kept now, with --from-plain, --from-env or --from-file")
    configuration = session.configuration(variables)
    store = session.store(configuration)
    with store.lock(owner=kms.actor(), command=_COMMAND, waiting=session.waiting) as lock:
        done = store.rekey(before, lock)
    if done.changed:
        kept = "plain" if configuration.encryption is None else "under the key that the configuration names"
        session.say(f"Of the state, {counted(done.changed, 'part is', 'parts are')} {kept} now.")
    elif not done.left:
        session.say("Nothing to do: everything is kept as the configuration says.")
    _tell(session, done)
    if not plain:
        session.hint("Backups of the state still open with the old key: keep it as long as them.")


def _tell(session: Session, done: Rekeyed) -> None:
    """Say what is not as whoever rekeys may think that it is."""
    if done.left:
        parts = counted(len(done.left), "part stays as it was", "parts stay as they were")
        session.warn(f"{parts}, for no key that was named opens them: {_named(done.left)}. Name theirs as well.")
    if done.gone:
        serials = ", ".join(map(str, done.gone))
        session.warn(
            f"These serials have no room in the document any more, as it is kept now, and are gone: {serials}."
        )
    if done.beyond:
        session.note(done.beyond)


def _named(left: Sequence[Left]) -> str:
    from kmsplan.report.escape import escape  # noqa: PLC0415 - rarely wanted

    shown = [escape(f"{part.name} ({f'key {part.key}' if part.key else 'plain'})") for part in left[:_SHOWN]]
    return ", ".join([*shown, f"and {len(left) - _SHOWN} more"] if len(left) > _SHOWN else shown)


def _codecs(session: Session, *, plain: bool, names: Sequence[str], paths: Sequence[Path]) -> Iterator[Codec]:
    """Yield how the state may be kept now.

    Raises:
        UserError: a key cannot be found, or is none.
    """
    from kmsplan.state.cipher import PLAIN  # noqa: PLC0415

    if plain:
        yield PLAIN
    for name in names:
        yield _cipher(session.environ.get(name, "").encode(), f"the environment variable {name}")
    for path in paths:
        yield _cipher(path.read_bytes(), f"the file {path}")


def _cipher(found: bytes, place: str) -> Codec:
    from kmsplan.config.encryption import parse_key  # noqa: PLC0415
    from kmsplan.kms.secret import SecretBytes  # noqa: PLC0415
    from kmsplan.state.cipher import Cipher  # noqa: PLC0415

    key = parse_key(found)
    if key is None:
        raise UserError(f"{place} holds no key for a state", "Nothing was changed. A key is 32 bytes, or their Base64.")
    return Cipher(SecretBytes(key), entropy)
