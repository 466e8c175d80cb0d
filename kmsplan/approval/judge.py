"""Whether a plan is approved: every signature against a policy, each refusal for the attack that it stops."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final

from kmsplan.kms.naming import format_duration

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from kmsplan.approval.publickey import PublicKey
    from kmsplan.approval.signature import Signature, Statement

SKEW: Final = timedelta(minutes=5)
"""How far two machines' clocks may be apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """Somebody whose signature counts."""

    name: str
    key: PublicKey
    authors: tuple[str, ...] = ()
    """Patterns of USER@HOST under which the same person makes plans, beside NAME@*."""

    def is_author(self, author: str) -> bool:
        """Whether a plan's author is this person; in doubt about capital letters it is."""
        own = f"{self.name.partition('@')[0]}@*"
        return any(fnmatchcase(author.casefold(), pattern.casefold()) for pattern in (own, *self.authors))


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What makes a plan approved."""

    required: int
    """How many signers."""
    signers: tuple[Signer, ...]
    """No name twice, and no key."""
    trusted: str
    """Where the signers stand, for messages."""
    not_author: bool = False
    max_age: timedelta | None = None
    """How old a signature may be, whatever its own expiry says."""

    @property
    def facts(self) -> dict[str, Any]:
        """All of it as a JSON value, the same wherever it was read."""
        return {
            "signatures": self.required,
            "not_author": self.not_author,
            "expires": self.max_age.total_seconds() if self.max_age else None,
            "signers": {one.name: [one.key.fingerprint, sorted(one.authors)] for one in self.signers},
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """The plan that is to be approved."""

    digest: str
    lineage: str
    author: str


@dataclass(frozen=True, slots=True)
class Standing:
    """One signature, and why it does not count; "" where it does."""

    statement: Statement
    refusal: str

    @property
    def counts(self) -> bool:
        """Whether it counts."""
        return not self.refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What the signatures come to."""

    required: int
    standings: tuple[Standing, ...]
    """As the signatures stand in their file."""
    missing: tuple[str, ...]
    """Names of those whose signature would count and is not there."""

    @property
    def counted(self) -> int:
        """How many signers have approved."""
        return sum(standing.counts for standing in self.standings)

    @property
    def approved(self) -> bool:
        """Whether they are enough."""
        return self.counted >= self.required


def judge(signatures: Iterable[Signature], policy: Policy, subject: Subject, now: datetime) -> Judgement:
    """Judge signatures that hold under their own keys.

    Args:
        signatures: as read from their file.
        policy: what is required, and who is trusted.
        subject: the plan.
        now: aware; the clock of whoever applies, never that of whoever signed.
    """
    counted: set[str] = set()
    standings = []
    for signature in signatures:
        refusal = next(_refusals(signature, policy, subject, now, counted), "")
        if not refusal:
            counted.add(signature.statement.signer)
        standings.append(Standing(signature.statement, refusal))
    missing = (
        one.name
        for one in policy.signers
        if one.name not in counted and not (policy.not_author and one.is_author(subject.author))
    )
    return Judgement(required=policy.required, standings=tuple(standings), missing=tuple(missing))


def _refusals(
    signature: Signature, policy: Policy, subject: Subject, now: datetime, counted: set[str]
) -> Iterator[str]:
    """Yield why a signature does not count, the first reason first."""
    statement = signature.statement
    signer = next((one for one in policy.signers if one.key == signature.key), None)
    # A stranger's: the key, which the signature proves, decides who it is; the name, which it merely says, does not.
    if signer is None:
        yield f"its key {statement.key} is not in {policy.trusted}"
        return
    # One key under two names would be two signers.
    if signer.name != statement.signer:
        yield f"its key is that of {signer.name}"
    # Replay: an approval of another plan, of another state, or of a plan that somebody else had made.
    if statement.plan != subject.digest or statement.lineage != subject.lineage:
        yield f"it is for another plan, sha256:{statement.plan}"
    if statement.author != subject.author:
        yield "it is for a plan of the same content by another author"
    # A postdated signature would outlive its period.
    if statement.signed > now + SKEW:
        yield f"it was made in the future, {statement.signed:%Y-%m-%dT%H:%M:%SZ}; one of two clocks is wrong"
    if statement.expires <= now:
        yield f"it expired {statement.expires:%Y-%m-%dT%H:%M:%SZ}"
    # A signer must not stretch the period that the policy grants.
    if policy.max_age is not None and now - statement.signed >= policy.max_age:
        period = format_duration(int(policy.max_age.total_seconds()))
        yield f"it was made {statement.signed:%Y-%m-%dT%H:%M:%SZ}, more than {period} ago"
    if policy.not_author and signer.is_author(subject.author):
        yield f"{signer.name} is the author, {subject.author}, and the author does not count"
    # The same signer twice is one signer.
    if signer.name in counted:
        yield f"{signer.name} is counted already"
