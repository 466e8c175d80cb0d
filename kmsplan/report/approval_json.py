"""Who approved a plan, for machines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from kmsplan.report.document import document

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kmsplan.approval.judge import Judgement, Policy, Standing, Subject

FORMAT_VERSION: Final = "1.0"


def approval_json(subject: Subject, judged: Iterable[tuple[Policy, Judgement]]) -> str:
    """Return the judgement by each policy as one JSON document."""
    judged = tuple(judged)
    return document(
        FORMAT_VERSION,
        {
            "digest": subject.digest,
            "lineage": subject.lineage,
            "author": subject.author,
            "approved": all(judgement.approved for _, judgement in judged),
            "policies": [_policy(policy, judgement) for policy, judgement in judged],
        },
    )


def _policy(policy: Policy, judgement: Judgement) -> dict[str, Any]:
    return {
        "trusted": policy.trusted,
        "required": policy.required,
        "not_author": policy.not_author,
        "counted": judgement.counted,
        "approved": judgement.approved,
        "missing": list(judgement.missing),
        "signatures": [_standing(standing) for standing in judgement.standings],
    }


def _standing(standing: Standing) -> dict[str, Any]:
    statement = standing.statement
    return {
        "signer": statement.signer,
        "key": statement.key,
        "signed": statement.signed,
        "expires": statement.expires,
        "counts": standing.counts,
        "refusal": standing.refusal or None,
    }
