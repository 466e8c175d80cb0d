"""docs/api.md, made from the tables of actions and errors, so that a fact stands once."""

from __future__ import annotations

from itertools import chain
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from kmsplan.kms.error import ERRORS
from kmsplan.server import parameters
from kmsplan.server.action import unsupported
from kmsplan.server.action.table import ROWS
from kmsplan.server.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from kmsplan.server.parameters import Parameter

OWN: Final[Mapping[str, str]] = MappingProxyType(
    {
        "CreateKmsInstance": "the cloud sells instances through another API",
        "GetCallerIdentity": "the cloud answers it elsewhere (Security Token Service)",
        "ModifyKmsInstance": "the cloud sells larger instances through another API",
        "UpdateKmsInstance": "Terraform's provider calls it; the SDK does not have it",
    }
)
"""Actions that the SDK does not have, and why there are such."""
_ENDS: Final[Mapping[Any, str]] = MappingProxyType(
    {parameters.listed: ".N", parameters.tagged: ".N.Key", parameters.tagged_pairs: ".N.Key"}
)
"""By what takes a list together: how its names end."""
_HEAD: Final = """# The API, action by action

<!-- The tables are made by kmsplan.server.reference; a test fails where they differ. -->

`kmsplan engine serve` answers the wire API of Alibaba Cloud KMS, version 2016-01-20; [serving.md](serving.md) says how
it is started and secured. This page has a row for each of the 91 actions of the official SDK
(`alibabacloud-kms20160120` 3.3.1), and for the few that kmsplan added. [kms.md](kms.md) says which key state allows
which action.

`*` marks what is needed: without it the answer is `MissingParameter`, with a value that cannot be understood
`InvalidParameter`, both with the parameter's name. `X.N` is a list, sent as `X.1`, `X.2`; `X.N.Key` a list of pairs. An
empty text counts as left out, but for descriptions, which it clears. Parameters that are not listed are passed over.

A `KeyId` is an id, an ARN or an alias where a key is used or described; where it is managed, an alias is answered with
`Unsupported.Alias`. Every answer is JSON with a `RequestId`.
"""
_DIFFERENCES: Final = """
## Where it differs from the cloud

| what | here |
| --- | --- |
| `Recipient` | `UnsupportedOperation`: no enclave is attested |
| security tokens (STS) | `InvalidSecurityToken.NotSupported`: access keys are the engine's own |
| `Format=XML` | the answer is JSON all the same, the cloud's default |
| parameters in JSON | `InvalidParameter` where a name stands twice in an object; no source has the cloud's answer |
| requests in HTTP | at most 256 KiB of URL, 256 KiB of body, 32 KiB in 100 headers; no source has the cloud's limits |
| `RegionId` of the tagging actions | needed, as in the cloud; which region it is does not matter |
| callers of other accounts | `Forbidden.NoPermission` also for what is not there; no source has the cloud's answer |
| `PageSize` | 1 to 100 everywhere; the cloud's pages also say 0 and 101 |
| `GetKmsInstanceQuotaInfos` | without `KmsInstanceId` all instances are added up; no source has the cloud's answer |
| `DryRun` | 400 `DryRunOperationError` or `ValidationError`, 403 `AccessDeniedError`; no source has the statuses |
| deletion protection | 403 `Forbidden.DeletionProtected`; no source has the code |
| `ReleaseKmsInstance` | `Rejected.InstanceNotEmpty` while keys are inside, unless `ForceDeleteWithoutBackup` |
| `DescribeKey` | tells the storage mechanism and the last use as well, for plans |
| `GetKmsInstance` | tells the instance's type, HSM and proxy as well, for plans |
| `CreateKey` | takes `ExternalKeyId` for external instances, which the cloud's console attaches |
| `CreateKey` | takes `HsmObject` for hardware instances, the CKA_ID of a key that is in the token already |

The tests `tests/unit/server/test_api_*.py` show every row through the wire: what is needed, types, limits, names, the
state table cell by cell, and each answer's fields against the SDK's models (`tests/case/server/shapes.json`).
[evidence.md](evidence.md) names the tests of each action, key type and error code.
"""


def api_page() -> str:
    """Return docs/api.md."""
    reasons = {action: reason for reason, actions in unsupported.GROUPS.items() for action in actions}
    public = sorted(ROWS.keys() - OWN.keys())
    return "".join(
        (
            _HEAD,
            "\n## Actions\n\n",
            _table(
                ("action", "parameters", "served"),
                (_row(name, f"no: {reasons[name]}" if name in reasons else "yes") for name in public),
            ),
            "\n## Actions that the SDK does not have\n\n",
            _table(("action", "parameters", "why"), (_row(name, OWN[name]) for name in sorted(OWN))),
            _DIFFERENCES,
            "\n## Error codes\n\n",
            "kmsplan's client knows all of them. Those on orders, debts and verified names are the cloud's alone.\n\n",
            _table(("code", "HTTP", "meaning", "trying again may help"), _errors()),
        )
    )


def _row(action: str, told: str) -> tuple[str, str, str]:
    names = ", ".join(f"`{_written(parameter)}`" for parameter in ROWS[action].parameters)
    return f"`{action}`", names or ("not read" if action in unsupported.ROWS else "none"), told


def _written(parameter: Parameter) -> str:
    return f"{parameter.name}{_ENDS.get(parameter.gather, '')}{'*' if parameter.required else ''}"


def _errors() -> Iterable[tuple[str, str, str, str]]:
    known = (
        (code, facts.status, facts.message, "yes" if facts.retry else "no") for code, facts in sorted(ERRORS.items())
    )
    own = sorted({(each.code, each.status, each.message, "no") for each in Refusal if each.code not in ERRORS})
    return ((f"`{code}`", str(status), message, retry) for code, status, message, retry in chain(known, own))


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)
