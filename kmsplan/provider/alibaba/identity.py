"""Whose KMS it is: the number of the account that the credentials belong to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kmsplan.kms.error import KmsError
from kmsplan.provider.alibaba.channel import IDENTITY_VERSION
from kmsplan.provider.alibaba.failure import CallError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kmsplan.provider.alibaba.reads import Reads
    from kmsplan.provider.alibaba.settings import Settings

ACTION = "GetCallerIdentity"


def account(reads: Reads, settings: Settings) -> str:
    """Return the account's number: as the configuration says, or as the credentials' service does.

    A served kmsplan engine answers it itself; in the cloud it is the Security Token Service that knows, and everybody
    may ask it.

    Raises:
        KmsError: it cannot be found out.
    """
    if settings.account is not None:
        return settings.account
    try:
        if settings.in_cloud:
            answer = reads.ask(ACTION, {}, version=IDENTITY_VERSION, endpoint=settings.identity_endpoint)
        else:
            answer = reads.ask(ACTION, {})
        return str(answer["AccountId"])
    except KeyError:
        reason = "the answer names none"
    except CallError as error:
        if error.code != "InvalidAction.NotFound":
            raise
        reason = f"{settings.endpoint} does not tell"
    raise KmsError(
        "AccountUnknown",
        f"the account's number is not known: {reason}. Write it down as engine: {{alibaba: {{account: NUMBER}}}}.",
    )


def require_account(expected: str, key_arns: Iterable[str]) -> None:
    """Look that keys belong to the account for which everything is done.

    Raises:
        KmsError: they are another account's.
    """
    for arn in key_arns:
        found = arn.split(":")[3] if arn.count(":") >= 3 else expected  # noqa: PLR2004 - acs:kms:REGION:ACCOUNT:...
        if found != expected:
            raise KmsError(
                "AccountMismatch",
                f"the credentials are those of account {found}, and the configuration names {expected}. Correct "
                "engine: {alibaba: {account: ...}}, or use other credentials. Nothing was done.",
            )
