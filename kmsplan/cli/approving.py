"""`kmsplan plan sign`, `verify` and `keygen`: approving a saved plan."""

from __future__ import annotations

import getpass
import os
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from kmsplan.cli.approval import (
    Review,
    digest_option,
    refuse_other_digest,
    review_options,
    signature_file,
    signatures_of,
    standing_line,
    subject_of,
    told,
)
from kmsplan.cli.exitcode import ExitCode
from kmsplan.cli.options import Variables, json_option, variable_options
from kmsplan.cli.saved import saved_plan
from kmsplan.cli.session import Session, entropy, now, pass_session

if TYPE_CHECKING:
    from kmsplan.approval.judge import Judgement, Policy, Subject
    from kmsplan.approval.privatekey import SigningKey
    from kmsplan.approval.publickey import PublicKey
    from kmsplan.approval.signature import Statement
    from kmsplan.cli.kmssigning import KmsKey
    from kmsplan.kms.secret import SecretBytes
    from kmsplan.plan.plan import Plan

FILE = click.Path(path_type=Path, dir_okay=False)
_LONGEST: Final = 366 * 24 * 3600
PASSPHRASE = click.option("--passphrase-env", metavar="NAME", help="The variable that holds the key file's passphrase.")
NAME_OPTION = click.option("--name", metavar="NAME", help="The signer's, as in the trusted file.  [default: the user]")


@click.command()
@click.argument("planfile", type=FILE)
@click.option("--key", "key_file", type=FILE, help="An Ed25519 private key, PKCS#8 PEM; kmsplan plan keygen makes one.")
@click.option("--kms-key", metavar="KEY", help="A key of the KMS that signs: its address, id or alias.")
@PASSPHRASE
@NAME_OPTION
@click.option("--expires", default="24h", metavar="DURATION", help="When the approval ends.  [default: 24h]")
@digest_option
@variable_options
@pass_session
def sign(
    session: Session,
    planfile: Path,
    key_file: Path | None,
    kms_key: str | None,
    passphrase_env: str | None,
    name: str | None,
    expires: str,
    digest: str | None,
    variables: Variables,
) -> None:
    """Approve the plan saved in PLANFILE: add a signature to PLANFILE.sig.

    With --digest only a plan with the digest that you reviewed is signed.
    """
    if (key_file is None) == (kms_key is None):
        raise click.UsageError("give either --key FILE or --kms-key KEY: what to sign with")
    plan = _load(planfile, digest)
    signer = _signer_name(name)
    period = _duration(expires)
    with _key(session, variables, kms_key, key_file, passphrase_env) as key:
        statement = _statement(subject_of(plan), signer, key.public, now(), period)
        value = key.sign(statement.message())
    _add(session, planfile, statement, key.public, value)
    session.say(
        f"{told(plan)}\nSigned as {signer}, until {statement.expires:%Y-%m-%dT%H:%M:%SZ}. "
        f"The signature is in {signature_file(planfile)}."
    )


@click.command()
@click.argument("planfile", type=FILE)
@review_options
@json_option
@variable_options
@pass_session
def verify(session: Session, planfile: Path, review: Review, variables: Variables, *, as_json: bool) -> ExitCode:
    """Show who signed the plan saved in PLANFILE and whether it counts; exit with 5 where it is not enough."""
    from kmsplan.approval.judge import judge  # noqa: PLC0415

    plan = _load(planfile, None)
    policies = _policies(session, review, variables)
    subject, signatures = subject_of(plan), signatures_of(planfile)
    judged = [(policy, judge(signatures, policy, subject, now())) for policy in policies]
    approved = all(judgement.approved for _, judgement in judged)
    if as_json:
        from kmsplan.report.approval_json import approval_json  # noqa: PLC0415

        session.print(approval_json(subject, judged))
    else:
        session.say(told(plan))
        for policy, judgement in judged:
            _tell(session, policy, judgement)
    return ExitCode.DONE if approved else ExitCode.APPROVAL_MISSING


@click.command()
@click.argument("target", type=FILE, metavar="FILE")
@PASSPHRASE
@NAME_OPTION
@pass_session
def keygen(session: Session, target: Path, passphrase_env: str | None, name: str | None) -> None:
    """Make an Ed25519 key to sign plans with: the private half in FILE (mode 0600), the public half to be trusted."""
    from kmsplan.approval.privatekey import create  # noqa: PLC0415

    signer = _signer_name(name)
    key = create(target, _passphrase(session, passphrase_env), entropy)
    session.note(f"{target} holds the private key. Who has it signs as {signer}: show it to nobody.")
    session.say(f"signers:\n  {signer}: {{key: {key.public.text}}}")


def _load(planfile: Path, reviewed: str | None) -> Plan:
    plan = saved_plan(planfile)
    refuse_other_digest(plan, reviewed)
    return plan


def _signer_name(name: str | None) -> str:
    from kmsplan.approval.signature import NAME  # noqa: PLC0415

    signer = name or _user()
    if not NAME.fullmatch(signer):
        raise click.UsageError(f"{signer!r} is no name of a signer: letters, digits and . _ + @ - make one")
    return signer


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user id without a name
        return str(os.getuid())


def _key(
    session: Session, variables: Variables, kms_key: str | None, path: Path | None, passphrase_env: str | None
) -> AbstractContextManager[SigningKey | KmsKey]:
    """Return what lends the key that signs."""
    if path is None:
        from kmsplan.cli.kmssigning import kms_key as lent  # noqa: PLC0415

        return lent(session, variables, str(kms_key))
    from kmsplan.approval.privatekey import read  # noqa: PLC0415

    return nullcontext(read(path, _passphrase(session, passphrase_env)))


def _passphrase(session: Session, name: str | None) -> SecretBytes | None:
    return None if name is None else session.secret(name, "passphrase")


def _duration(text: str) -> timedelta:
    from kmsplan.kms.naming import parse_duration  # noqa: PLC0415

    seconds = parse_duration(text)
    if not seconds or seconds > _LONGEST:
        raise click.UsageError("--expires takes a duration of 366d at most: 24h, 90m or 7d")
    return timedelta(seconds=seconds)


def _statement(subject: Subject, signer: str, public: PublicKey, at: datetime, period: timedelta) -> Statement:
    from kmsplan.approval.signature import Statement  # noqa: PLC0415

    at = at.replace(microsecond=0)
    return Statement(
        plan=subject.digest,
        lineage=subject.lineage,
        author=subject.author,
        signer=signer,
        key=public.fingerprint,
        signed=at,
        expires=at + period,
    )


def _add(session: Session, planfile: Path, statement: Statement, public: PublicKey, value: bytes) -> None:
    """Put a signature into the plan's file of them, in place of an older one by the same key.

    Raises:
        SignatureFileError: the file was edited, or the key did not make this signature.
    """
    from kmsplan.approval.signature import Signature, dump  # noqa: PLC0415

    made = Signature(statement, public, value)
    made.require()  # a fault while signing must show here, not when the plan is wanted
    kept = [one for one in signatures_of(planfile) if one.key != public and one.statement.plan == statement.plan]
    session.write(signature_file(planfile), dump((*kept, made)))


def _policies(session: Session, review: Review, variables: Variables) -> tuple[Policy, ...]:
    """Return what to judge by; without a number, one signature of those that --trusted names."""
    if review.trusted is not None:
        asked = Review(signatures=review.signatures or 1, trusted=review.trusted, not_author=review.not_author)
        return asked.policies(None)
    policies = review.policies(session.configuration(variables))
    if not policies:
        raise click.UsageError("name whom to trust: --trusted FILE, or `approval` in the configuration")
    return policies


def _tell(session: Session, policy: Policy, judgement: Judgement) -> None:
    for one in judgement.standings:
        until = f" (until {one.statement.expires:%Y-%m-%dT%H:%M:%SZ})" if one.counts else ""
        session.say(f"  {standing_line(one.statement.signer, one.refusal)}{until}")
    able = f" Still able to sign: {', '.join(judgement.missing)}." if judgement.missing else ""
    verdict = "Approved" if judgement.approved else "Not approved"
    session.say(f"{verdict}: {judgement.counted} of {policy.required} required by {policy.trusted}.{able}")
