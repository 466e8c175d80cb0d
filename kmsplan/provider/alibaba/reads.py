"""Calls that read: paced, tried again while that may help, many at a time, lists page by page."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final, TypeVar

from kmsplan.kms.backoff import TRIES, delay
from kmsplan.kms.error import ErrorFacts
from kmsplan.provider.alibaba.failure import REPEATED, CallError, shaped
from kmsplan.provider.watch import Unwatched

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from kmsplan.provider.alibaba.channel import Channel
    from kmsplan.provider.alibaba.limiter import Limiter
    from kmsplan.provider.watch import Watch

WORKERS: Final = 8
PAGE: Final = 100
"""Entries of a page; the API gives no more."""
LISTINGS: Final = 4
"""How often a list is read from the start because it changed meanwhile."""
PATIENCE: Final = 60.0
"""Seconds: who wants to be left alone for longer is told of at once, rather than waited for."""
CHANGING: Final = "List.Changing"

_From = TypeVar("_From")
_To = TypeVar("_To")
Row = dict[str, Any]


class Reads:
    """Reads through a channel."""

    def __init__(
        self,
        channel: Channel,
        limiter: Limiter,
        *,
        region: str,
        entropy: Callable[[int], bytes],
        sleep: Callable[[float], object],
        watch: Watch | None = None,
    ) -> None:
        """Take the channel, its pace, randomness for jitter, what waits so many seconds, and who looks on."""
        self.region = region
        self._channel = channel
        self._limiter = limiter
        self._entropy = entropy
        self._sleep = sleep
        self._watch = watch or Unwatched()

    def ask(self, action: str, query: Mapping[str, Any], **where: Any) -> Row:
        """Call an action that only reads, as often as the error table allows.

        Raises:
            CallError: the last failure.
        """
        for attempt in itertools.count(1):
            answer = self._once(action, query, where)
            if not isinstance(answer, CallError):
                return answer
            # A nonce that was used is the network's doing, which sent a question twice; another one is taken.
            if attempt == TRIES or answer.wait > PATIENCE or not (answer.facts.retry or answer.code == REPEATED):
                raise answer
            seconds = max(answer.wait, delay(attempt - 1, self._entropy))
            self._watch.retried(action, answer.code, seconds)
            self._sleep(seconds)
        raise AssertionError("the last attempt returns or raises")

    def _once(self, action: str, query: Mapping[str, Any], where: Mapping[str, Any]) -> Row | CallError:
        self._limiter.wait(action)
        try:
            return self._channel.call(action, query, **where)
        except CallError as error:
            return error

    def pages(self, action: str, entries: Callable[[Row], list[Row]], identity: str, **query: Any) -> list[Row]:
        """Read a list whole, each entry once.

        Pages are counted, so that one entry fewer in front moves another onto a page that was read already. A list
        that is not as long as the KMS says it is, is read again.

        Args:
            action: the API's name.
            entries: finds them in an answer.
            identity: the field that tells entries apart.
            query: parameters beside the page.

        Raises:
            CallError: it cannot be read, or changes faster than it can be read.
        """
        for _ in range(LISTINGS):
            rows, total = self._listing(action, entries, query)
            with shaped(action):
                found = {row[identity]: row for row in rows}
            if len(found) >= total:
                return list(found.values())
        message = f"{action} lists fewer objects than it counts, {LISTINGS} times in a row: they are being changed."
        raise CallError(CHANGING, message, ErrorFacts(0, message, retry=True))

    def _listing(
        self, action: str, entries: Callable[[Row], list[Row]], query: Mapping[str, Any]
    ) -> tuple[list[Row], int]:
        def page(number: int) -> Row:
            return self.ask(action, {**query, "PageNumber": number, "PageSize": PAGE})

        first = page(1)
        with shaped(action):
            total = int(first["TotalCount"])  # an answer without it is no list, and not an empty one
        answers = [first, *self.each(page, range(2, -(-total // PAGE) + 1))]
        with shaped(action):
            return [row for answer in answers for row in entries(answer)], int(answers[-1]["TotalCount"])

    def objects(self, read: Callable[[_From], _To], items: Iterable[_From]) -> list[_To]:
        """Do as `each`, and tell the watch how far it is."""
        items, done = tuple(items), itertools.count(1)

        def counted(item: _From) -> _To:
            found = read(item)
            self._watch.progress(next(done), len(items))  # next of a count is atomic
            return found

        return self.each(counted, items)

    def each(self, read: Callable[[_From], _To], items: Iterable[_From]) -> list[_To]:
        """Return what `read` makes of each item, in order; a bounded number is read at a time.

        Raises:
            Exception: the first that `read` raises; nothing more is begun then.
        """
        items = tuple(items)
        if len(items) < 2:  # noqa: PLR2004 - one needs no thread
            return [read(item) for item in items]
        with ThreadPoolExecutor(min(WORKERS, len(items)), thread_name_prefix="kmsplan-read") as pool:
            try:
                return list(pool.map(read, items))
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
