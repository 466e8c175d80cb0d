"""The API: from a request to the action that it names, by whoever signed it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from kmsplan.engine.dataplane.answer import SlowError, StaleError
from kmsplan.kms.error import KmsError
from kmsplan.server import parameters, signature
from kmsplan.server.action.row import Cryptographic
from kmsplan.server.known import Known
from kmsplan.server.metrics import OTHER
from kmsplan.server.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kmsplan.engine.access.known import AccessKey
    from kmsplan.engine.caller import Caller
    from kmsplan.engine.dataplane.answer import Answer
    from kmsplan.engine.keystore.nonce import Claim
    from kmsplan.engine.keystore.transaction import Ticket
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
        self._plane, self._hurried_plane = engine.beginning(), engine.beginning(hurried=True)
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
        key, claim = self._authenticated(signed, fresh=row is None or row.begin is None)
        exchange.access_key_id = key.access_key_id
        if row is None:
            raise KmsError("InvalidAction.NotFound", f"Specified api is not found: {signed.action!a:.80}.")
        values = parameters.read(row.parameters, signed.parameters)
        caller = key.caller(call.peer, exchange.request_id, claim)
        if isinstance(row, Cryptographic):
            self._use_keys(exchange, row, caller, values)
        else:
            self._manage(exchange, row, self._engine.acting(caller), values)

    def _authenticated(self, signed: Signed, *, fresh: bool) -> tuple[AccessKey, Claim | None]:
        """Return the access key that a request was signed with, and its claim to a nonce that nodes share.

        Args:
            signed: the request.
            fresh: whether the key has to be as it is now; who does not wait for it checks again at the commit.

        Raises:
            KmsError: it was not, or is too old, or was answered before.
        """
        signature.check_time(signed.time, self._house.clock())
        client = self._known.get(signed.access_key_id, fresh=fresh)
        signed.verify(client.secret)
        if not client.key.active:
            raise KmsError("InvalidAccessKeyId.Inactive", "Specified access key is disabled or has expired.")
        # Last, so that nobody uses up another's nonces.
        digest = self._nonces.claim(signed.access_key_id, signed.nonce, signed.time)
        self._known.used(client)
        return client.key, self._engine.claim(digest, signed.time)

    def _use_keys(self, exchange: Exchange, row: Cryptographic, caller: Caller, values: Values) -> None:
        if not row.slow:
            try:
                answer = row.begin(self._hurried_plane(caller), values)
            except SlowError:
                pass  # a thread has the time
            else:
                self._await(exchange, row, answer)
                return
        self._wait(exchange, lambda: row.shape(row.begin(self._plane(caller), values).wait()))

    def _manage(self, exchange: Exchange, row: Managing, engine: Engine, values: Values) -> None:
        def done(shape: Callable[[], Shape]) -> None:
            self._returns.call(self._end, exchange, shape)

        if row.begin is None or not row.begin(engine, values, done):
            self._wait(exchange, lambda: row.call(engine.claimed(exchange.action), values))

    def _await(self, exchange: Exchange, row: Cryptographic, answer: Answer[Any]) -> None:
        """Answer once it is on disk, without a thread."""
        answer.ticket.then(partial(self._returns.call, self._written, exchange, row, answer))

    def _written(self, exchange: Exchange, row: Cryptographic, answer: Answer[Any], ticket: Ticket[Any]) -> None:
        del ticket  # the answer asks it
        try:
            value = answer.value()
        except StaleError:
            self._begin_again(exchange, row, answer)
        except Exception as error:  # noqa: BLE001 - it is answered
            exchange.fail(error)
        else:
            exchange.succeed(row.shape(value))

    def _end(self, exchange: Exchange, shape: Callable[[], Shape]) -> None:
        try:
            result = shape()
        except Exception as error:  # noqa: BLE001 - it is answered
            exchange.fail(error)
        else:
            exchange.succeed(result)

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
