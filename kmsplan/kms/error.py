"""KMS errors: code, HTTP status, message (API reference, error tables), and what a code says about the effect."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class ErrorFacts:
    """One row of the error table."""

    status: int
    message: str
    retry: bool = False
    """A later try may succeed without anybody doing anything."""
    in_doubt: bool = False
    """The operation may have been carried out although it answered with this error."""
    late: bool = False
    """If it was carried out after all, that may show only later: what is seen now settles nothing."""
    unreachable: bool = False
    """Nothing gets through to the KMS, whatever it is."""


ERRORS: Final[Mapping[str, ErrorFacts]] = MappingProxyType(
    {
        "MissingParameter": ErrorFacts(400, 'The parameter "<name>" is needed but not provided.'),
        "InvalidParameter": ErrorFacts(400, 'The specified parameter "<name>" is not valid.'),
        "ParseRequestParameterException": ErrorFacts(400, "The request's parameters cannot be read."),
        "Rejected.LimitExceeded": ErrorFacts(400, "The quota of this resource is used up."),
        "AliasAlreadyExists": ErrorFacts(400, "AliasName Already Exists."),
        "InvalidKeyMaterial": ErrorFacts(400, "The key material is not valid."),
        "InvalidImportToken": ErrorFacts(400, "The import token is not valid."),
        "ExpiredImportToken": ErrorFacts(400, "The import token has expired."),
        "Unsupported.Origin": ErrorFacts(400, "The key's origin does not allow this operation."),
        "Unsupported.Alias": ErrorFacts(400, "An alias is not accepted here."),
        "Unsupported.ProtectionLevel": ErrorFacts(400, "The protection level is not offered here."),
        "UnsupportedOperation": ErrorFacts(400, "This action is not supported."),
        "Rejected.UnsupportedOperation": ErrorFacts(400, "Unsupported operation."),
        "Throttling": ErrorFacts(400, "Request was denied due to request throttling.", retry=True),
        # A dry run always fails: with this code where the call itself would have succeeded. No source gives the status.
        "DryRunOperationError": ErrorFacts(400, "The request would have succeeded, but DryRun is set."),
        "ValidationError": ErrorFacts(400, "The request would have failed: a parameter or the key is wrong."),
        "AccessDeniedError": ErrorFacts(403, "The request would have failed: it is not permitted."),
        "Forbidden.Opened": ErrorFacts(400, "The service is open already."),
        "Forbidden.NoRealNameAuthentication": ErrorFacts(400, "The account's owner is not verified."),
        "CreateLXOrderFailed": ErrorFacts(400, "The order cannot be made."),
        "Forbidden.NoPermission": ErrorFacts(403, "This operation is forbidden by permission system."),
        "Forbidden.AccessKey": ErrorFacts(403, "This operation is forbidden to the access key."),
        "Forbidden.KmsServiceNotEnabled": ErrorFacts(403, "The service is not open."),
        "Forbidden.InDebt": ErrorFacts(403, "The account is in debt."),
        "Forbidden.InDebtOverdue": ErrorFacts(403, "The account is in debt, and the grace period is over."),
        "Forbidden.ProhibitedByRiskControl": ErrorFacts(403, "The account is barred by risk control."),
        "Forbidden.UbsmsInvalidUserid": ErrorFacts(403, "The account's state does not allow it."),
        "Forbidden.UbsmsInvalidBid": ErrorFacts(403, "The account's state does not allow it."),
        # No source names the code; this one says what is the matter.
        "Forbidden.DeletionProtected": ErrorFacts(403, "Deletion protection is enabled."),
        "Forbidden.KeyNotFound": ErrorFacts(404, "The specified Key is not found."),
        "Forbidden.KeyVersionNotFound": ErrorFacts(404, "The specified KeyVersion is not found."),
        "Forbidden.AliasNotFound": ErrorFacts(404, "The specified Alias is not found."),
        "Forbidden.ResourceNotFound": ErrorFacts(404, "Resource not found."),
        "Forbidden.DKMSInstanceNotFound": ErrorFacts(404, "The specified KMS instance is not found."),
        # The statuses of the next four are published nowhere.
        "Forbidden.DKMSInstanceStateInvalid": ErrorFacts(409, "The KMS instance is not ready.", retry=True),
        "Forbidden.KMSInstanceInUpgrade": ErrorFacts(409, "The KMS instance is being upgraded.", retry=True),
        "Forbidden.RamRoleNotFound": ErrorFacts(404, "The RAM role is not found.", retry=True),
        "Rejected.Uninitialized": ErrorFacts(409, "The KMS instance is not connected yet.", retry=True),
        # No source names the code for an instance that still holds keys; the engine refuses where the cloud destroys.
        "Rejected.InstanceNotEmpty": ErrorFacts(409, "The KMS instance still holds keys."),
        "Rejected.StateModifiedFailed": ErrorFacts(409, "The key state does not allow this change."),
        "Rejected.Enabled": ErrorFacts(409, "The request was rejected because the key state is Enabled."),
        "Rejected.Disabled": ErrorFacts(409, "The request was rejected because the key state is Disabled."),
        "Rejected.PendingDeletion": ErrorFacts(
            409, "The request was rejected because the key state is PendingDeletion."
        ),
        "Rejected.PendingImport": ErrorFacts(409, "The request was rejected because the key state is PendingImport."),
        "Rejected.Unavailable": ErrorFacts(409, "The request was rejected because the key state is Unavailable."),
        "Rejected.Throttling": ErrorFacts(429, "QPS Limit Exceeded.", retry=True),
        "InternalFailure": ErrorFacts(500, "Internal Failure", retry=True, in_doubt=True),
        "ServiceUnavailableTemporary": ErrorFacts(503, "Service Unavailable Temporary.", retry=True, in_doubt=True),
        # The engine's own: nothing was done, and somebody has to act first.
        "Rejected.Sealed": ErrorFacts(503, "The engine is sealed."),
        # The gateway in front of every Alibaba Cloud API: who calls, and whether it can be read.
        "IncompleteSignature": ErrorFacts(400, "The request signature does not conform to Alibaba Cloud standards."),
        "SignatureDoesNotMatch": ErrorFacts(400, "The specified signature does not match the one calculated here."),
        "SignatureNonceUsed": ErrorFacts(400, "The request's signature nonce was used before."),
        "InvalidTimeStamp.Expired": ErrorFacts(400, "The request's time stamp is too old or lies in the future."),
        "IllegalTimestamp": ErrorFacts(400, "The request's time stamp is missing or cannot be read."),
        "InvalidAccessKeyId.NotFound": ErrorFacts(404, "The specified access key is not found."),
        "InvalidAccessKeyId.Inactive": ErrorFacts(403, "The specified access key is disabled."),
        "InvalidAction.NotFound": ErrorFacts(404, "The specified API action is not found."),
        "InvalidVersion": ErrorFacts(400, "The specified API version is not valid."),
        "MissingAccessKeyId": ErrorFacts(400, "The access key id is needed but not provided."),
        "InvalidSecurityToken.NotSupported": ErrorFacts(400, "Security tokens are not supported here."),
        "MissingSecurityToken": ErrorFacts(400, "The security token is needed but not provided."),
        "UnsupportedHTTPMethod": ErrorFacts(403, "This HTTP method is not supported."),
    }
)


class KmsError(Exception):
    """An error answer of the KMS: what the API would return, whoever carried out the operation."""

    def __init__(
        self,
        code: str,
        message: str | None = None,
        *,
        request_id: str | None = None,
        facts: ErrorFacts | None = None,
    ) -> None:
        self.code = code
        self.message = ERRORS[code].message if message is None else message
        self.request_id = request_id
        self._facts = facts
        super().__init__(f"{self.message} ({code})" + (f" (request id {request_id})" if request_id else ""))

    @property
    def facts(self) -> ErrorFacts:
        """What is known of this very error, or the row of the error table; an unknown code is a final rejection."""
        return self._facts or ERRORS.get(self.code, ErrorFacts(400, self.message))
