"""The API: from a request to the action that it names, by whoever signed it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from kmsplan.engine.dataplane.answer import StaleError
from kmsplan.kms.error import KmsError
from kmsplan.server import parameters, signature
from kmsplan.server.action.row import Cryptographic
from kmsplan.server.known import Known
from kmsplan.server.metrics import OTHER
from kmsplan.server.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kmsplan.engine.access.known import AccessKey
    from kmsplan.engine.dataplane.answer import Answer
    from kmsplan.engine.keystore.nonce import Claim
    from kmsplan.engine.service import Engine
    from kmsplan.server.action.row import Managing, Row, Shape, Values
    from kmsplan.server.signature import Signed
    from kmsplan.server.site import Exchange, House
    from kmsplan.server.threads import Pool, Returns


class NonceBook(Protocol):
    """Where nonces are used up."""

    def claim(self, access_key_id: str, nonce: str, time: int) -> bytes:
        """Use a nonce up; return the hash that stands for it and for whose it is.

        Raises:
            KmsError: it was used before, or nobody can tell.
        """


class Application:
    """The API over an engine.

    Args:
        engine: what carries actions out.
        rows: the actions.
        house: what the sites of this process share.
        nonces: where they are used up.
        returns: the way from other threads back to the event loop.
        pool: threads for what waits.
    """

    def __init__(
        self,
        engine: Engine,
        rows: Mapping[str, Row],
        house: House,
        *,
        nonces: NonceBook,
        returns: Returns,
        pool: Pool,
    ) -> None:
        self._engine = engine
        self._known = Known(engine, house.time)
        self._rows = rows
        self._house = house
        self._nonces = nonces
        self._returns = returns
        self._pool = pool

    def handle(self, exchange: Exchange) -> None:
        """Carry a request out, now or later.

        Raises:
            KmsError: it is refused.
        """
        call = exchange.call
        assert call is not None  # noqa: S101 - a site hands on calls alone
        if self._house.draining:
            exchange.refuse(Refusal.DRAINING)
            return
        if call.method not in {b"POST", b"GET"}:
            raise KmsError("UnsupportedHTTPMethod", "The API takes POST and GET.")
        signed = signature.read(call)
        row = self._rows.get(signed.action)
        exchange.action = OTHER if row is None else signed.action
        key, claim = self._authenticated(signed, fresh=not isinstance(row, Cryptographic))
        exchange.access_key_id = key.access_key_id
        if row is None:
            raise KmsError("InvalidAction.NotFound", f"Specified api is not found: {signed.action!a:.80}.")
        values = parameters.read(row.parameters, signed.parameters)
        engine = self._engine.acting(key.caller(call.peer, exchange.request_id, claim))
        if isinstance(row, Cryptographic):
            self._use_keys(exchange, row, engine, values)
        else:
            self._manage(exchange, row, engine, values)

    def _authenticated(self, signed: Signed, *, fresh: bool) -> tuple[AccessKey, Claim | None]:
        """Return the access key that a request was signed with, and its claim to a nonce that nodes share.

        Args:
            signed: the request.
            fresh: whether the key has to be as it is now; the data plane checks that again when it commits.

        Raises:
            KmsError: it was not, or is too old, or was answered before.
        """
        signature.check_time(signed.time, self._house.clock())
        key = self._known.get(signed.access_key_id, fresh=fresh)
        signed.verify(key.secret.reveal())
        if not key.active:
            raise KmsError("InvalidAccessKeyId.Inactive", "Specified access key is disabled or has expired.")
        # Last, so that nobody uses up another's nonces.
        digest = self._nonces.claim(signed.access_key_id, signed.nonce, signed.time)
        return key, self._engine.claim(digest, signed.time)

    def _use_keys(self, exchange: Exchange, row: Cryptographic, engine: Engine, values: Values) -> None:
        plane, key = engine.begin, row.key(values)
        if key is None or plane.quick(*key):
            self._await(exchange, row, row.begin(plane, values))
        else:
            self._wait(exchange, lambda: row.shape(row.begin(plane, values).wait()))

    def _manage(self, exchange: Exchange, row: Managing, engine: Engine, values: Values) -> None:
        self._wait(exchange, lambda: row.call(engine.claimed(exchange.action), values))

    def _await(self, exchange: Exchange, row: Cryptographic, answer: Answer[Any]) -> None:
        """Answer once it is on disk, without a thread."""
        answer.ticket.then(lambda _: self._returns.call(self._written, exchange, row, answer))

    def _written(self, exchange: Exchange, row: Cryptographic, answer: Answer[Any]) -> None:
        try:
            value = answer.value()
        except StaleError:
            self._begin_again(exchange, row, answer)
        except Exception as error:  # noqa: BLE001 - it is answered
            exchange.fail(error)
        else:
            exchange.succeed(row.shape(value))

    def _begin_again(self, exchange: Exchange, row: Cryptographic, answer: Answer[Any]) -> None:
        """Make a call again whose key has changed meanwhile, perhaps into one that takes its time."""
        self._wait(exchange, lambda: row.shape(answer.again().wait()))

    def _wait(self, exchange: Exchange, work: Callable[[], Shape]) -> None:
        """Have it done in a thread, and answer."""

        def done(result: Any, error: BaseException | None) -> None:
            if error is None:
                exchange.succeed(result)
            else:
                exchange.fail(error)

        if not self._pool.take(work, done):
            exchange.refuse(Refusal.BUSY)
