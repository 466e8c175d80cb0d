"""Actions of the API that are known and not served: secrets, application access points, managed data keys, enclaves."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NoReturn

from kmsplan.kms.error import KmsError
from kmsplan.server.action.row import Managing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kmsplan.engine.service import Engine
    from kmsplan.server.action.row import Shape, Values

GROUPS: Final = {
    "it keeps keys and no secrets": (
        "BatchGetSecretValue",
        "CreateSecret",
        "DeleteSecret",
        "DescribeSecret",
        "GetSecretPolicy",
        "GetSecretValue",
        "ListSecretVersionIds",
        "ListSecrets",
        "PutSecretValue",
        "RestoreSecret",
        "RotateSecret",
        "SetSecretPolicy",
        "UpdateSecret",
        "UpdateSecretRotationPolicy",
        "UpdateSecretVersionStage",
    ),
    "applications call it with access keys (kmsplan engine access-key), not through application access points": (
        "CreateApplicationAccessPoint",
        "CreateClientKey",
        "CreateNetworkRule",
        "CreatePolicy",
        "DeleteApplicationAccessPoint",
        "DeleteClientKey",
        "DeleteNetworkRule",
        "DeletePolicy",
        "DescribeApplicationAccessPoint",
        "DescribeNetworkRule",
        "DescribePolicy",
        "GetClientKey",
        "ListApplicationAccessPoints",
        "ListClientKeys",
        "ListNetworkRules",
        "ListPolicies",
        "UpdateApplicationAccessPoint",
        "UpdateNetworkRule",
        "UpdatePolicy",
    ),
    "data keys are made by GenerateDataKey and kept by applications": (
        "GetManagedDataKey",
        "ListManagedDataKeyVersions",
    ),
    "it attests no enclaves": ("GetChallenge",),
}
"""Why, and which."""


def _refusing(action: str, reason: str) -> Callable[[Engine, Values], Shape]:
    def call(engine: Engine, values: Values) -> NoReturn:
        del engine, values
        raise KmsError("UnsupportedOperation", f"{action} is not supported by this server: {reason}.")

    return call


ROWS: Final[Mapping[str, Managing]] = MappingProxyType(
    {action: Managing((), _refusing(action, reason)) for reason, actions in GROUPS.items() for action in actions}
)
