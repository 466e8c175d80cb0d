"""`kmsplan engine backup`, `restore`, `rotate-root`, `rotate-keyring`: what keeps an engine safe over the years."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kmsplan.cli import kms
from kmsplan.cli.lazy import LazyGroup
from kmsplan.cli.options import Variables, json_option, variable_options
from kmsplan.cli.session import Session, entropy, now, pass_session
from kmsplan.kms.wording import counted

if TYPE_CHECKING:
    from collections.abc import Callable

    from kmsplan.engine.backup.checking import Report
    from kmsplan.engine.sealing import Seal

FILE = click.Path(path_type=Path, dir_okay=False)
_LOCKS = (
    click.option("--passphrase-env", metavar="NAME", help="The variable that holds the backup's passphrase."),
    click.option("--key-file", type=FILE, help="The backup's key file, 32 random bytes; `backup` makes a missing one."),
)


def _lock_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --passphrase-env and --key-file; the command gets `lock`, a function of the session that returns the lock."""

    @functools.wraps(command)
    def wrapper(*args: Any, passphrase_env: str | None, key_file: Path | None, **kwargs: Any) -> Any:
        return command(*args, lock=lambda session: _lock(session, passphrase_env, key_file), **kwargs)

    for option in reversed(_LOCKS):
        wrapper = option(wrapper)
    return wrapper


def _lock(session: Session, passphrase_env: str | None, key_file: Path | None) -> Seal:
    """Return what the backup is locked with."""
    from kmsplan.engine.sealing import FileSeal, PassphraseSeal  # noqa: PLC0415

    if (passphrase_env is None) == (key_file is None):
        raise click.UsageError("give either --passphrase-env NAME or --key-file FILE: what the backup is locked with")
    if key_file is not None:
        return FileSeal(key_file)
    return PassphraseSeal(lambda: session.secret(str(passphrase_env), "passphrase"))


@click.group(cls=LazyGroup, path="engine backup", invoke_without_command=True)
@click.option("--output", type=FILE, metavar="FILE", help="The backup; a new file.")
@_lock_options
@variable_options
@json_option
@click.pass_context
@pass_session
def backup(
    session: Session,
    ctx: click.Context,
    output: Path | None,
    lock: Callable[[Session], Seal],
    variables: Variables,
    *,
    as_json: bool,
) -> None:
    """Write an encrypted backup of the whole engine, and check it. Others may go on writing meanwhile."""
    if ctx.invoked_subcommand is not None:
        return
    if output is None:
        raise click.UsageError("name the backup: --output FILE", ctx)
    locked = lock(session)
    with kms.opened(session, variables) as engine, session.phase("Backing up", "rows") as meter:
        report = engine.keeping.backup(output, locked, meter.tell)
    _tell(session, report, f"Backed up engine {report.engine_id} to {output}.", as_json=as_json)
    session.hint("Keep the passphrase or key file in another place: without it the backup opens to nobody.")


@backup.command("verify")
@click.argument("file", type=FILE)
@_lock_options
@json_option
@pass_session
def backup_verify(session: Session, file: Path, lock: Callable[[Session], Seal], *, as_json: bool) -> None:
    """Check that a backup is whole: what `restore` would check, with nothing left behind."""
    from kmsplan.engine.backup.making import verify  # noqa: PLC0415

    with session.phase("Checking the backup"):
        report = verify(file, lock(session))
    _tell(session, report, f"{file} is whole: engine {report.engine_id}, as it was at {report.made}.", as_json=as_json)


@click.command()
@click.argument("file", type=FILE)
@click.option(
    "--into",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="The engine's folder; its root key gets a new key file there.  [default: where and as the configuration says]",
)
@_lock_options
@variable_options
@json_option
@pass_session
def restore(
    session: Session,
    file: Path,
    folder: Path | None,
    lock: Callable[[Session], Seal],
    variables: Variables,
    *,
    as_json: bool,
) -> None:
    """Restore an engine from a backup, on this machine or another; never over an engine that is there."""
    from kmsplan.engine.backup.restoring import restore as restore_engine  # noqa: PLC0415
    from kmsplan.engine.sealing import FileSeal, default_key_file  # noqa: PLC0415

    if folder is None:
        configuration = session.configuration(variables)
        place, postgres = kms.engine_path(configuration), kms.postgres(session, configuration)
        seal = kms.seal(session, configuration)
    else:
        place, postgres, seal = folder, None, FileSeal(default_key_file(folder))
    with session.phase("Restoring"):
        report = restore_engine(
            file,
            place,
            lock=lock(session),
            seal=seal,
            clock=now,
            entropy=entropy,
            actor=kms.actor(),
            postgres=postgres,
        )
    _tell(
        session, report, f"Restored engine {report.engine_id} as it was at {report.made} into {place}.", as_json=as_json
    )
    if isinstance(seal, FileSeal):
        session.hint(f"Its root key is sealed with {seal.path}: keep a copy of that file in another place.")
    session.hint("It is the same engine: from now on use this one only, never both.")


def _tell(session: Session, report: Report, sentence: str, *, as_json: bool) -> None:
    """Say what is in a backup, and what is not: keys in an HSM stay there."""
    if as_json:
        facts = {
            "engine": report.engine_id,
            "made": report.made,
            "rows": report.rows,
            "versions_opened": report.opened,
            "sealed_by": report.sealed_by,
            "hardware": [{"module": at.module, "token": at.token, "keys": at.keys} for at in report.hardware],
        }
        session.say(json.dumps({"format_version": "1.0", **facts}, indent=2))
        return
    session.say(sentence)
    session.say(", ".join(counted(count, f"{name.replace('_', ' ')} row") for name, count in report.rows.items()))
    for at in report.hardware:
        session.say(
            f"In token {at.token!r} of {at.module} there {'is' if at.keys == 1 else 'are'} {counted(at.keys, 'key')}, "
            "whose material is there, not in the backup. It works where that token, or its own backup, is connected."
        )
    if report.sealed_by is not None:
        session.say(
            f"The root key was sealed by token {report.sealed_by['token']!r} of {report.sealed_by['module']}, and is "
            "not in the backup: no key works without that token, or its own backup."
        )


@click.command("rotate-root")
@click.option("--to-passphrase-env", metavar="NAME", help="Seal the new root key by a passphrase, from this variable.")
@click.option("--to-file", type=FILE, help="Seal the new root key by a key file, which is made where it is missing.")
@click.option("--to-hsm", nargs=2, metavar="MODULE TOKEN", help="Seal the new root key by a key in a PKCS#11 token.")
@click.option("--pin-env", metavar="NAME", help="With --to-hsm: the variable that holds the token's PIN.")
@variable_options
@pass_session
def rotate_root(
    session: Session,
    to_passphrase_env: str | None,
    to_file: Path | None,
    to_hsm: tuple[str, str] | None,
    pin_env: str | None,
    variables: Variables,
) -> None:
    """Make a new root key and wrap the keyring under it; with --to-..., sealed in another way from now on."""
    new_seal = _new_seal(session, to_passphrase_env, to_file, to_hsm, pin_env)
    with kms.opened(session, variables) as engine:
        engine.keeping.rotate_root(new_seal)
    session.say("The root key is a new one.")
    if new_seal is not None:
        from kmsplan.engine.sealing import said  # noqa: PLC0415

        session.say(
            f"It is sealed by {said(new_seal.kind)} now. Before the next command, say so in the configuration: "
            "engine: {embedded: {seal: ...}}. Then start servers again: those that run have the old seal."
        )


def _new_seal(
    session: Session,
    passphrase_env: str | None,
    file: Path | None,
    hsm: tuple[str, str] | None,
    pin_env: str | None,
) -> Seal | None:
    """Return the seal that was asked for; None where it stays the configuration's."""
    from kmsplan.engine.sealing import FileSeal, PassphraseSeal  # noqa: PLC0415

    if sum(given is not None for given in (passphrase_env, file, hsm)) > 1:
        raise click.UsageError("give one of --to-passphrase-env, --to-file and --to-hsm")
    if (hsm is None) != (pin_env is None):
        raise click.UsageError("--to-hsm MODULE TOKEN and --pin-env NAME go together")
    if file is not None:
        return FileSeal(file)
    if passphrase_env is not None:
        session.secret(passphrase_env, "passphrase")
        return PassphraseSeal(lambda: session.secret(passphrase_env, "passphrase"))
    if hsm is not None:
        return kms.hsm_seal(*hsm, pin=lambda: session.secret(str(pin_env), "token's PIN"))
    return None


@click.command("rotate-keyring")
@variable_options
@pass_session
def rotate_keyring(session: Session, variables: Variables) -> None:
    """Begin a new keyring key, and wrap the material of all keys under it; what is interrupted, `tick` finishes."""
    with kms.opened(session, variables) as engine, session.phase("Wrapping key versions anew"):
        renewed = engine.keeping.rotate_keyring()
    for key, reason in renewed.rewrapped.unopened.items():
        session.note(f"left {key}: {reason}")
    session.say(
        f"The keyring is in term {renewed.term}; wrapped under it: "
        f"{counted(renewed.rewrapped.versions, 'key version')}."
    )
