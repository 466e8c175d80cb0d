"""Signers, a plan and its signatures."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from kmsplan.approval.judge import Policy, Signer, Subject
from kmsplan.approval.privatekey import SigningKey
from kmsplan.approval.signature import Signature, Statement

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
SUBJECT = Subject(digest="ab" * 32, lineage="4f1d", author="carol@laptop")


@dataclass(frozen=True)
class Person:
    """Somebody with a key."""

    name: str

    @property
    def key(self) -> SigningKey:
        return SigningKey(Ed25519PrivateKey.from_private_bytes(hashlib.sha256(self.name.encode()).digest()))

    def trusted(self, *authors: str) -> Signer:
        return Signer(name=self.name, key=self.key.public, authors=authors)

    def sign(
        self,
        subject: Subject = SUBJECT,
        *,
        name: str | None = None,
        signed: datetime = NOW,
        period: timedelta = DAY,
    ) -> Signature:
        statement = Statement(
            plan=subject.digest,
            lineage=subject.lineage,
            author=subject.author,
            signer=name or self.name,
            key=self.key.public.fingerprint,
            signed=signed,
            expires=signed + period,
        )
        return Signature(statement, self.key.public, self.key.sign(statement.message()))


ADA, BOB, CAROL, EVE = (Person(name) for name in ("ada", "bob", "carol", "eve"))


def policy(required: int, *signers: Signer, not_author: bool = False, max_age: timedelta | None = None) -> Policy:
    return Policy(
        required=required, signers=signers, trusted="ops.trusted.yaml", not_author=not_author, max_age=max_age
    )
