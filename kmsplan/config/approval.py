"""`approval:`: which signatures a plan needs, read together with the file of those whose signature counts."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from kmsplan.config.fixed import has_reference
from kmsplan.config.secret import absolute
from kmsplan.config.trusted import read_trusted
from kmsplan.kms.naming import parse_duration

if TYPE_CHECKING:
    from kmsplan.approval.judge import Policy
    from kmsplan.config.expand import Entry, Expanded
    from kmsplan.config.problems import Problems

MAX_AGE: Final = "24h"
_WHY: Final = "Who must approve is not for whoever sets variables to say."
_NEEDED: Final = {"signatures", "trusted"}


def check_approval(expanded: Expanded, problems: Problems, root: Path) -> Policy | None:
    """Return what makes a plan approved; None where nothing need be, or something about it is wrong."""
    entry = expanded.one.get("approval")
    if entry is None or not isinstance(entry.written, dict) or has_reference(entry.node, problems, _WHY):
        return None
    if not entry.written.keys() >= _NEEDED:
        return None
    return _policy(entry, problems, root)


def _policy(entry: Entry, problems: Problems, root: Path) -> Policy | None:
    from kmsplan.approval.judge import Policy  # noqa: PLC0415 - most configurations ask for no signature

    written: dict[str, Any] = entry.written
    path = absolute(root, written["trusted"])
    name = written["trusted"] if path.is_relative_to(root) else str(path)
    signers = read_trusted(path, name, problems, named=entry.node.locate(("trusted",)))
    if signers is None:
        return None
    seconds = parse_duration(written.get("expires", MAX_AGE))
    if not seconds:
        detail = "A signature that expires as soon as it is made never counts. Write a duration, such as 24h."
        problems.add("K424", detail, entry.node.locate(("expires",)))
    if len(signers) < written["signatures"]:
        detail = (
            f"More signatures are wanted ({written['signatures']}) than {written['trusted']} has signers "
            f"({len(signers)}): no plan could ever be applied."
        )
        problems.add("K424", detail, entry.node.locate(("signatures",)))
    return Policy(
        required=written["signatures"],
        signers=signers,
        trusted=written["trusted"],
        not_author=written.get("not_author", False),
        max_age=timedelta(seconds=seconds or 0),
    )
