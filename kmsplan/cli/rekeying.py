"""`kmsplan state rekey`: the state follows its configuration to another key, to none, or to its first."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from kmsplan.cli import kms
from kmsplan.cli.failure import UserError
from kmsplan.cli.options import Variables, variable_options
from kmsplan.cli.session import Session, entropy, pass_session

if TYPE_CHECKING:
    from kmsplan.state.cipher import Codec

_COMMAND: Final = "state rekey"


@click.command()
@click.option("--from-plain", "plain", is_flag=True, help="It is not encrypted now.")
@click.option("--from-env", "variable", metavar="NAME", help="The environment variable with its key now.")
@click.option("--from-file", "file", type=click.Path(path_type=Path), metavar="PATH", help="The file with its key now.")
@variable_options
@pass_session
def rekey(session: Session, variables: Variables, variable: str | None, file: Path | None, *, plain: bool) -> None:
    """Put the state, its history and its journal under the key that the configuration names, or into the clear.

    Change `encryption` under `state` first, then say here how the state is kept now. A rekey that was interrupted is
    finished by the same command.
    """
    before = _codec(session, plain=plain, variable=variable, file=file)
    configuration = session.configuration(variables)
    store = session.store(configuration)
    with store.lock(owner=kms.actor(), command=_COMMAND, waiting=session.waiting) as lock:
        changed = store.rekey(before, lock)
    if not changed:
        session.say("Nothing to do: everything is kept as the configuration says.")
        return
    kept = "plain" if configuration.encryption is None else "under the key that the configuration names"
    session.say(f"{changed} parts of the state are {kept} now.")
    left = [str(serial.number) for serial in store.history() if not serial.readable]
    if left:
        session.note(
            f"Earlier serials stay as they were, for {store.place} keeps them so: {', '.join(left)}. Each opens with "
            "the key of its time alone."
        )
    if not plain:
        session.hint("Backups of the state still open with the old key: keep it as long as them.")


def _codec(session: Session, *, plain: bool, variable: str | None, file: Path | None) -> Codec:
    """Return how the state was kept.

    Raises:
        UserError: the key cannot be found, or is none.
    """
    from kmsplan.config.encryption import parse_key  # noqa: PLC0415
    from kmsplan.kms.secret import SecretBytes  # noqa: PLC0415
    from kmsplan.state.cipher import PLAIN, Cipher  # noqa: PLC0415

    if [plain, variable is not None, file is not None].count(True) != 1:
        raise click.UsageError("say how the state is kept now: one of --from-plain, --from-env and --from-file")
    if plain:
        return PLAIN
    found = file.read_bytes() if file is not None else session.environ.get(variable or "", "").encode()
    key = parse_key(found)
    if key is None:
        place = f"the file {file}" if file is not None else f"the environment variable {variable}"
        raise UserError(f"{place} holds no key for a state", "Nothing was changed. A key is 32 bytes, or their Base64.")
    return Cipher(SecretBytes(key), entropy)
