"""Actions that another service of the cloud has, and that a KMS without a cloud around it answers itself."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from kmsplan.server.action.row import Managing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kmsplan.engine.service import Engine
    from kmsplan.server.action.row import Shape, Values


def _identity(engine: Engine, values: Values) -> Shape:
    """Tell a caller whose KMS this is (Security Token Service, GetCallerIdentity); whoever has signed may know."""
    del values
    return {"AccountId": engine.account, "Arn": f"acs:ram::{engine.account}:root", "IdentityType": "Account"}


ROWS: Final[Mapping[str, Managing]] = MappingProxyType({"GetCallerIdentity": Managing((), _identity)})
