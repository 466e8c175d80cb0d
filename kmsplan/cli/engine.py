"""`kmsplan engine`: the embedded engine's own commands."""

from __future__ import annotations

import base64
import hashlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from kmsplan.cli import kms, suggest
from kmsplan.cli.exitcode import ExitCode
from kmsplan.cli.failure import UserError
from kmsplan.cli.lazy import LazyGroup
from kmsplan.cli.options import Variables, json_option, variable_options
from kmsplan.cli.session import Session, pass_session
from kmsplan.kms.wording import counted

if TYPE_CHECKING:
    from kmsplan.engine.service import Engine

FILE = click.Path(path_type=Path, dir_okay=False, allow_dash=True)


_ELSEWHERE: Final = {
    "serve": "kmsplan.cli.serve",
    "access-key": "kmsplan.cli.access",
    "service-key": "kmsplan.cli.servicekey",
    "xks-proxy": "kmsplan.cli.xks",
    "xks-credential": "kmsplan.cli.xks",
    "backup": "kmsplan.cli.keeping",
    "restore": "kmsplan.cli.keeping",
    "rotate-root": "kmsplan.cli.keeping",
    "rotate-keyring": "kmsplan.cli.keeping",
}


@click.group(cls=LazyGroup, modules=_ELSEWHERE, path="engine")
def engine() -> None:
    """The embedded engine: make, seal and look at it, use its keys, verify its audit trail."""


def _open(session: Session, variables: Variables, *, read_only: bool) -> Engine:
    configuration = session.configuration(variables)
    if not kms.exists(session, configuration):
        raise UserError(
            f"there is no engine in {kms.engine_place(session, configuration)} yet",
            "The first kmsplan apply makes it; kmsplan engine init makes an empty one.",
        )
    return kms.open_engine(session, configuration, read_only=read_only)


@engine.command("init")
@variable_options
@pass_session
def init_command(session: Session, variables: Variables) -> None:
    """Make an empty engine where the configuration says."""
    configuration = session.configuration(variables, warned=True)
    if kms.exists(session, configuration):
        raise UserError(f"{kms.engine_place(session, configuration)} already holds an engine", "Nothing was changed.")
    kms.create_engine(session, configuration)


@engine.command()
@variable_options
@json_option
@pass_session
def status(session: Session, variables: Variables, *, as_json: bool) -> None:
    """Show the engine: sealed or not, its keys by state, its audit trail."""
    opened = _open(session, variables, read_only=True)
    try:
        facts = opened.status()
    finally:
        opened.close()
    if as_json:
        import json  # noqa: PLC0415

        session.say(json.dumps({"format_version": "1.0", **facts}, indent=2, default=str))
        return
    for name, value in facts.items():
        session.say(f"{name.replace('_', ' '):<24} {_plain(value)}")


def _plain(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, dict):
        return ", ".join(f"{part} {name}" for name, part in sorted(value.items())) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


@engine.command()
@variable_options
@pass_session
def seal(session: Session, variables: Variables) -> None:
    """Seal the engine: no cryptography and no new keys until it is unsealed."""
    opened = _open(session, variables, read_only=False)
    try:
        opened.seal()
    finally:
        opened.close()
    session.say("Sealed. kmsplan engine unseal opens it again.")


@engine.command()
@variable_options
@pass_session
def unseal(session: Session, variables: Variables) -> None:
    """Unseal the engine with the passphrase, key file or HSM that the configuration names."""
    configuration = session.configuration(variables)
    opened = _open(session, variables, read_only=False)
    try:
        opened.unseal(kms.seal(session, configuration))
    finally:
        opened.close()
    session.say("Unsealed.")


@engine.command()
@variable_options
@pass_session
def tick(session: Session, variables: Variables) -> None:
    """Carry out what is due: rotations and scheduled deletions. Meant for a timer; a repeat does nothing."""
    opened = _open(session, variables, read_only=False)
    try:
        done = opened.tick()
    finally:
        opened.close()
    for key in done.rotated:
        session.say(f"rotated {key}")
    for key in done.deleted:
        session.say(f"deleted {key}")
    for key in done.expired:
        session.say(f"expired the material of {key}")
    for key, reason in done.postponed.items():
        session.note(f"postponed {key}: {reason}")
    session.say(f"{len(done.rotated)} rotated, {len(done.deleted)} deleted.")


@engine.command()
@click.argument("operation", shell_complete=suggest.operations)
@click.argument("parameters", nargs=-1, metavar="[NAME=VALUE]...")
@variable_options
@pass_session
def call(session: Session, operation: str, parameters: tuple[str, ...], variables: Variables) -> None:
    """Call one control-plane operation by its API name, past kmsplan's state.

    KeyId takes an id or an alias. What you change here, drift reports.
    """
    from kmsplan.cli.call import parse_call  # noqa: PLC0415

    parsed = parse_call(operation, parameters)
    opened = _open(session, variables, read_only=False)
    try:
        made = opened.execute(parsed(opened))
    finally:
        opened.close()
    session.say(made or f"{operation}: done")


def _read(path: Path | None) -> bytes:
    return sys.stdin.buffer.read() if path is None or str(path) == "-" else path.read_bytes()


def _write(data: bytes, path: Path | None) -> None:
    if path is None or str(path) == "-":
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    else:
        path.write_bytes(data)


def _context(pairs: tuple[str, ...]) -> dict[str, str]:
    context = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise click.UsageError(f"--context takes NAME=VALUE, not {pair!r}")
        context[name] = value
    return context


def _base64(data: bytes, what: str) -> bytes:
    try:
        return base64.b64decode(b"".join(data.split()), validate=True)
    except ValueError as error:
        raise UserError(f"the {what} is not Base64", "Give it as kmsplan engine wrote it.") from error


INPUT = click.option("--in", "source", type=FILE, help="Read from this file.  [default: standard input]")
OUTPUT = click.option("--out", "target", type=FILE, help="Write to this file.  [default: standard output]")
CONTEXT = click.option("--context", multiple=True, metavar="NAME=VALUE", help="Encryption context; repeatable.")
ALGORITHM = click.option("--algorithm", help="An algorithm of the key's spec.  [default: the spec's first]")
VERSION = click.option("--key-version", "version", help="A key version id.  [default: the newest]")


@engine.command()
@click.argument("key", shell_complete=suggest.aliases)
@INPUT
@OUTPUT
@CONTEXT
@ALGORITHM
@variable_options
@pass_session
def encrypt(
    session: Session,
    key: str,
    source: Path | None,
    target: Path | None,
    context: tuple[str, ...],
    algorithm: str | None,
    variables: Variables,
) -> None:
    """Encrypt data with KEY (an id, an alias or an ARN); the answer is Base64.

    A symmetric key uses AES-GCM and binds the context; an RSA key uses OAEP.
    """
    data = _read(source)
    opened = _open(session, variables, read_only=False)
    try:
        if opened.is_symmetric(key):
            blob, *_ = opened.encrypt(key, data, _context(context))
        else:
            blob = opened.asymmetric_encrypt(key, None, algorithm, data)
    finally:
        opened.close()
    _write(base64.b64encode(blob) + b"\n", target)


@engine.command()
@click.option("--key", help="The RSA key of an asymmetric ciphertext; a symmetric one names its own.")
@INPUT
@OUTPUT
@CONTEXT
@ALGORITHM
@VERSION
@variable_options
@pass_session
def decrypt(
    session: Session,
    key: str | None,
    source: Path | None,
    target: Path | None,
    context: tuple[str, ...],
    algorithm: str | None,
    version: str | None,
    variables: Variables,
) -> None:
    """Decrypt what `encrypt` wrote, under the same context."""
    blob = _base64(_read(source), "ciphertext")
    opened = _open(session, variables, read_only=False)
    try:
        if key is None:
            plaintext, _, _ = opened.decrypt(blob, _context(context))
        else:
            plaintext = opened.asymmetric_decrypt(key, version, algorithm, blob)
    finally:
        opened.close()
    _write(plaintext, target)


def _digest(message: Path | None, digest: str | None) -> bytes:
    if (message is None) == (digest is None):
        raise click.UsageError("give either --message FILE or --digest HEX")
    if digest is None:
        return hashlib.sha256(_read(message)).digest()
    try:
        return bytes.fromhex(digest)
    except ValueError as error:
        raise click.UsageError("--digest takes hexadecimal digits") from error


MESSAGE = click.option("--message", type=FILE, help="A file; its SHA-256 digest is signed.")
DIGEST = click.option("--digest", metavar="HEX", help="The SHA-256 digest itself.")


@engine.command()
@click.argument("key", shell_complete=suggest.aliases)
@MESSAGE
@DIGEST
@OUTPUT
@ALGORITHM
@VERSION
@variable_options
@pass_session
def sign(
    session: Session,
    key: str,
    message: Path | None,
    digest: str | None,
    target: Path | None,
    algorithm: str | None,
    version: str | None,
    variables: Variables,
) -> None:
    """Sign a message's digest with KEY; the signature is Base64."""
    wanted = _digest(message, digest)
    opened = _open(session, variables, read_only=False)
    try:
        signature = opened.sign(key, version, algorithm, wanted)
    finally:
        opened.close()
    _write(base64.b64encode(signature) + b"\n", target)


@engine.command()
@click.argument("key", shell_complete=suggest.aliases)
@MESSAGE
@DIGEST
@click.option("--signature", type=FILE, required=True, help="The file that `sign` wrote.")
@ALGORITHM
@VERSION
@variable_options
@pass_session
def verify(
    session: Session,
    key: str,
    message: Path | None,
    digest: str | None,
    signature: Path,
    algorithm: str | None,
    version: str | None,
    variables: Variables,
) -> ExitCode:
    """Verify a signature; exit code 1 where it does not hold."""
    wanted, given = _digest(message, digest), _base64(_read(signature), "signature")
    opened = _open(session, variables, read_only=False)
    try:
        valid = opened.verify(key, version, algorithm, wanted, given)
    finally:
        opened.close()
    session.say("The signature is valid." if valid else "The signature is NOT valid.")
    return ExitCode.DONE if valid else ExitCode.ERROR


@engine.group(cls=LazyGroup, path="engine audit")
def audit() -> None:
    """The audit trail."""


def _open_trail(session: Session, variables: Variables) -> Engine:
    """Open the engine for whoever reads its audit trail: what a served engine answered last is to be in it too."""
    from kmsplan.engine.error import KeystoreReadOnlyError  # noqa: PLC0415

    opened = _open(session, variables, read_only=True)
    if not opened.audit_waits():
        return opened
    opened.close()
    try:
        return kms.open_engine(session, session.configuration(variables), read_only=False, keys=False)
    except KeystoreReadOnlyError as error:
        session.warn(f"Warning: the newest entries are missing: they wait outside of the trail, and {error}.")
        return _open(session, variables, read_only=True)


@audit.command("verify")
@variable_options
@pass_session
def audit_verify(session: Session, variables: Variables) -> None:
    """Check every entry's hash, the chain between them, and every signed checkpoint."""
    opened = _open_trail(session, variables)
    try:
        verified = opened.audit_verify()
    finally:
        opened.close()
    session.say(
        f"{counted(verified.entries, 'entry', 'entries')} and {counted(verified.checkpoints, 'checkpoint')} verified."
    )


@audit.command("export")
@OUTPUT
@variable_options
@pass_session
def audit_export(session: Session, target: Path | None, variables: Variables) -> None:
    """Write the audit trail as JSON lines."""
    import orjson  # noqa: PLC0415

    opened = _open_trail(session, variables)
    try:
        lines = b"".join(orjson.dumps(entry, option=orjson.OPT_APPEND_NEWLINE) for entry in opened.audit_entries())
    finally:
        opened.close()
    _write(lines, target)
