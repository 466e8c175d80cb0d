"""How the plan of an apply was reviewed: what command line and configuration ask for, and whether it is there."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from kmsplan.cli.exitcode import ExitCode
from kmsplan.cli.failure import UserError
from kmsplan.cli.session import now

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from kmsplan.approval.judge import Judgement, Policy, Signer, Subject
    from kmsplan.approval.signature import Signature
    from kmsplan.config.configuration import Configuration
    from kmsplan.plan.plan import Plan

_HEX_DIGITS: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """--digest, --require-signatures, --trusted and --not-author."""

    digest: str | None = None
    """Of the plan that was reviewed, hex."""
    signatures: int | None = None
    trusted: Path | None = None
    not_author: bool = False

    def policies(self, configuration: Configuration | None) -> tuple[Policy, ...]:
        """Return what must be fulfilled, each by itself: options add to what the configuration asks for.

        Were they joined, a smaller number or another list on the command line would take something away.
        """
        configured = configuration.approval if configuration else None
        if self.signatures is None:
            if self.trusted is not None or self.not_author:
                raise click.UsageError("--trusted and --not-author go with --require-signatures N")
            return (configured,) if configured else ()
        return (*((configured,) if configured else ()), self._asked(self.signatures, configured))

    def _asked(self, signatures: int, configured: Policy | None) -> Policy:
        from kmsplan.approval.judge import Policy  # noqa: PLC0415 - most runs ask for no signature

        if self.trusted is not None:
            signers, trusted = trusted_signers(self.trusted), str(self.trusted)
        elif configured is not None:
            signers, trusted = configured.signers, configured.trusted
        else:
            raise click.UsageError("--require-signatures needs --trusted FILE, or `approval` in the configuration")
        return Policy(required=signatures, signers=signers, trusted=trusted, not_author=self.not_author)


def _hex(ctx: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    del ctx, parameter
    if value is None:
        return None
    digits = value.removeprefix("sha256:").lower()
    if len(digits) != _HEX_DIGITS or set(digits) - set("0123456789abcdef"):
        raise click.BadParameter("a plan's digest is written sha256: and 64 hexadecimal digits, as kmsplan plan shows")
    return digits


digest_option = click.option(
    "--digest", callback=_hex, metavar="sha256:HEX", help="The digest of the plan that was reviewed; refuse any other."
)
_OPTIONS = (
    click.option(
        "--require-signatures",
        "signatures",
        type=click.IntRange(1, 99),
        metavar="N",
        help="Refuse a plan that fewer than N trusted signers have signed.",
    ),
    click.option(
        "--trusted",
        type=click.Path(path_type=Path, dir_okay=False),
        metavar="FILE",
        help="Names and public keys of the signers.  [default: the configuration's]",
    ),
    click.option("--not-author", is_flag=True, help="Do not count the signature of the plan's author."),
)


def review_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --require-signatures, --trusted and --not-author; the command gets them and `digest` as `review`."""

    @functools.wraps(command)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        named = {name: kwargs.pop(name) for name in Review.__dataclass_fields__ if name in kwargs}
        return command(*args, review=Review(**named), **kwargs)

    for option in reversed(_OPTIONS):
        wrapper = option(wrapper)
    return wrapper


def trusted_signers(path: Path) -> tuple[Signer, ...]:
    """Read a list of signers that the command line names.

    Raises:
        ConfigurationError: with everything that is wrong with it.
    """
    from kmsplan.config.diagnostic import ConfigurationError  # noqa: PLC0415
    from kmsplan.config.problems import Problems  # noqa: PLC0415
    from kmsplan.config.trusted import read_trusted  # noqa: PLC0415

    problems = Problems()
    signers = read_trusted(path, str(path), problems)
    if signers is None:
        raise ConfigurationError(problems.diagnostics())
    return signers


def subject_of(plan: Plan) -> Subject:
    """Return what is signed of a saved plan."""
    from kmsplan.approval.judge import Subject  # noqa: PLC0415
    from kmsplan.plan.planfile import digest  # noqa: PLC0415

    return Subject(digest=digest(plan), lineage=plan.lineage, author=plan.author)


def told(plan: Plan) -> str:
    """Return which plan it is, for whoever approves it."""
    from kmsplan.report.counts import counts  # noqa: PLC0415
    from kmsplan.report.escape import escape  # noqa: PLC0415

    found, subject = counts(plan.changes), subject_of(plan)
    return (
        f"Plan: {found.add} to add, {found.change} to change, {found.destroy} to destroy.\n"
        f"Author: {escape(plan.author)}\nDigest: sha256:{subject.digest}"
    )


def signature_file(planfile: Path) -> Path:
    """Return where a plan's signatures are."""
    from kmsplan.approval.signature import SUFFIX  # noqa: PLC0415

    return planfile.with_name(planfile.name + SUFFIX)


def signatures_of(planfile: Path) -> tuple[Signature, ...]:
    """Read a plan's signatures; none where there is no file.

    Raises:
        SignatureFileError: they were edited or damaged.
    """
    from kmsplan.approval.signature import load  # noqa: PLC0415

    path = signature_file(planfile)
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return ()
    return load(content, str(path))


def refuse_other_digest(plan: Plan, reviewed: str | None) -> None:
    """Refuse a saved plan that is not the reviewed one: its file may have been exchanged since.

    Raises:
        UserError: with exit code 7.
    """
    subject = subject_of(plan)
    if reviewed is not None and subject.digest != reviewed:
        raise UserError(
            f"this is not the plan that was reviewed: its digest is sha256:{subject.digest}",
            "Nothing was done. Review this plan, or find the file of the one that was reviewed.",
            ExitCode.STALE,
        )


def refuse_unsigned(policies: Iterable[Policy]) -> None:
    """Refuse to plan and apply in one go where a plan must be signed in between.

    Raises:
        UserError: it must.
    """
    for policy in policies:
        raise UserError(
            f"approval is missing: {policy.required} {_signatures(policy.required)} of signers in {policy.trusted} are "
            "required, and only a saved plan can be signed",
            "Nothing was changed. Save the plan with kmsplan plan -o FILE, have it signed with kmsplan plan sign FILE, "
            "then kmsplan apply FILE.",
            ExitCode.APPROVAL_MISSING,
        )


class Approval:
    """The signatures of one saved plan, read once, to be judged when it is about to be carried out."""

    def __init__(self, planfile: Path, plan: Plan, policies: tuple[Policy, ...]) -> None:
        self._planfile = planfile
        self._policies = policies
        self._subject = subject_of(plan) if policies else None
        self._signatures = signatures_of(planfile) if policies else ()

    def require(self) -> None:
        """Refuse a plan that is not approved now; a signature may expire while the lock is waited for.

        Raises:
            UserError: with exit code 5.
        """
        from kmsplan.approval.judge import judge  # noqa: PLC0415

        for policy in self._policies:
            assert self._subject is not None  # noqa: S101 - there are policies
            judgement = judge(self._signatures, policy, self._subject, now())
            if not judgement.approved:
                raise _missing(judgement, policy, self._planfile)


def _missing(judgement: Judgement, policy: Policy, planfile: Path) -> UserError:
    head = (
        f"approval is missing: {judgement.required} {_signatures(judgement.required)} of signers in {policy.trusted} "
        f"required, {judgement.counted} given that count"
    )
    lines = (f"  - {standing_line(one.statement.signer, one.refusal)}" for one in judgement.standings)
    able = ", ".join(judgement.missing) or "nobody"
    if len(judgement.missing) + judgement.counted < judgement.required:
        remedy = f"Still able to sign: {able}, which is not enough: others must be trusted, or somebody else must plan."
    else:
        remedy = f"Still able to sign: {able}. Each does so with kmsplan plan sign {planfile} --key FILE."
    return UserError("\n".join((head, *lines)), f"Nothing was changed. {remedy}", ExitCode.APPROVAL_MISSING)


def standing_line(name: str, refusal: str) -> str:
    """Return what is said of one signature."""
    return f"{name}: does not count: {refusal}" if refusal else f"{name}: counts"


def _signatures(count: int) -> str:
    return "signature" if count == 1 else "signatures"
