"""People who approve plans: their keys, and the file that says whom to trust."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import yaml

from kmsplan.approval.privatekey import create, read
from kmsplan.approval.signature import Signature, Statement, dump

if TYPE_CHECKING:
    from tests.project import Answer, Project


@dataclass(frozen=True)
class Approvers:
    """A folder with a saved plan, `x.plan`, and keys of several people, `NAME.pem`."""

    project: Project

    def make(self, *names: str) -> dict[str, str]:
        """Make keys; return each one's public half by name."""
        paths = {name: self.project.root / f"{name}.pem" for name in names}
        return {name: create(path, None, os.urandom).public.text for name, path in paths.items()}

    def trust(self, **keys: str) -> None:
        """Write ops.trusted.yaml."""
        signers = {name: {"key": key} for name, key in keys.items()}
        self.project.write(yaml.safe_dump({"signers": signers}), "ops.trusted.yaml")

    def sign(self, name: str, *options: str, key: str | None = None, code: int = 0) -> Answer:
        """Sign x.plan."""
        return self.project.run(
            *("plan", "sign", "x.plan", "--key", f"{key or name}.pem", "--name", name, *options), code=code
        )

    def keep(self, name: str, *, key: str | None = None) -> None:
        """Sign x.plan without a process of its own, and put the signature aside, as KEY-NAME.sig."""
        path = self.project.root / f"{key or name}-{name}.sig"
        path.write_bytes(dump([self.signature(name, key)]))

    def signature(self, name: str, key: str | None = None, /, **changes: datetime) -> Signature:
        """Return a signature of x.plan by a key; `changes` are what the signer's clock or will says otherwise."""
        saved = json.loads((self.project.root / "x.plan").read_text())
        signing = read(self.project.root / f"{key or name}.pem", None)
        at = datetime.now(UTC).replace(microsecond=0)
        statement = Statement(
            plan=saved["digest"],
            lineage=saved["lineage"],
            author=saved["author"],
            signer=name,
            key=signing.public.fingerprint,
            **{"signed": at, "expires": at + timedelta(days=1), **changes},
        )
        return Signature(statement, signing.public, signing.sign(statement.message()))

    def signed(self, *kept: str) -> None:
        """Join signatures that were put aside, as one does with `cat`."""
        content = b"".join((self.project.root / f"{name}.sig").read_bytes() for name in kept)
        (self.project.root / "x.plan.sig").write_bytes(content)

    def apply(self, *options: str, required: int = 2, code: int = 0) -> Answer:
        """Apply x.plan with so many signatures; where that is refused, nothing is sent to the KMS."""
        answer = self.project.run(
            *("apply", "x.plan", "--require-signatures", str(required), "--trusted", "ops.trusted.yaml", *options),
            code=code,
        )
        assert code == 0 or not (self.project.root / "state" / "engine").exists()
        return answer
