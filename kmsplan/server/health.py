"""Pages for those who watch the server: is it alive, can it work, what has it done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from kmsplan.engine.error import EngineError, SealingError
from kmsplan.kms.error import KmsError
from kmsplan.server.metrics import KIND
from kmsplan.server.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kmsplan.engine.service import Engine
    from kmsplan.server.site import Exchange, House
    from kmsplan.server.threads import Pool

_NOBODY = "readyz"
"""No access key has this id: looking it up asks for the seal and for the database, and finds nothing."""


class Health:
    """The pages.

    Args:
        engine: whose health it is.
        house: what the sites of this process share.
        pool: threads for what waits.
    """

    def __init__(self, engine: Engine, house: House, pool: Pool) -> None:
        self._engine = engine
        self._house = house
        self._pool = pool

    def pages(self) -> Mapping[bytes, Callable[[Exchange], None]]:
        """Return the pages by path."""
        return {b"/healthz": self._alive, b"/readyz": self._ready, b"/metrics": self._metrics}

    def _alive(self, exchange: Exchange) -> None:
        """Answer: that is all there is to it."""
        exchange.show(200, orjson.dumps({"status": "ok"}))

    def _ready(self, exchange: Exchange) -> None:
        """Answer whether requests can be served now, and if not, what is in the way."""

        def done(status: Any, error: BaseException | None) -> None:
            shown = "draining" if self._house.draining else ("failing" if error else status)
            exchange.show(200 if shown == "ok" else 503, orjson.dumps({"status": shown}))

        if not self._pool.take(self._status, done):
            exchange.refuse(Refusal.BUSY)

    def _status(self) -> str:
        try:
            self._engine.access_key(_NOBODY)
            self._engine.catch_up()
        except (KmsError, SealingError):
            return "sealed"
        except EngineError:
            return "database"
        return "ok"

    def _metrics(self, exchange: Exchange) -> None:
        self._house.sweep()
        text = self._house.metrics.text(sealed=self._engine.sealed, draining=self._house.draining)
        exchange.show(200, text, KIND)
