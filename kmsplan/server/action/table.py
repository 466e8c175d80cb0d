"""Every action of the API, by its name."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from kmsplan.server.action import crypto, extension, instance, key, naming, unsupported

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kmsplan.server.action.row import Row

ROWS: Final[Mapping[str, Row]] = MappingProxyType(
    {**crypto.ROWS, **key.ROWS, **naming.ROWS, **instance.ROWS, **unsupported.ROWS, **extension.ROWS}
)
