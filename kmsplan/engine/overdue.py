"""What the engine does to keys whose time is over: the same to each, many in one transaction."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from kmsplan.engine.audit import OK
from kmsplan.engine.keystore import key as keys

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from kmsplan.engine.core import Core
    from kmsplan.engine.keystore.connection import Connection
    from kmsplan.engine.keystore.key import KeyRow
    from kmsplan.engine.keystore.transaction import Transaction

_CHUNK: Final = 200
"""Keys in one transaction: others that write wait no longer than for these."""


def each_overdue(
    core: Core,
    found: Sequence[str],
    action: str,
    is_due: Callable[[KeyRow], bool],
    end: Callable[[Connection, KeyRow], Mapping[str, Any]],
) -> tuple[str, ...]:
    """Do what is due to each key, unless the engine is sealed meanwhile; return the keys to which it was done.

    Args:
        core: the engine.
        found: keys that were due when somebody looked.
        action: for the audit trail.
        is_due: asked of each again, in the transaction.
        end: does it; returns what the trail is told besides.
    """

    def work(chunk: Sequence[str], transaction: Transaction) -> list[str]:
        if transaction.sealed:
            return []
        rows = [row for key_id in chunk if (row := keys.load(transaction.db, key_id)) and is_due(row)]
        for row in rows:
            request = core.scheduled(action, row.key_id)
            request.parameters = end(transaction.db, row)
            core.handles.drop(row.key_id)
            transaction.entries.append(request.entry(OK))
        return [row.key_id for row in rows]

    done: list[str] = []
    for start in range(0, len(found), _CHUNK):
        done += core.store.write(partial(work, found[start : start + _CHUNK]))
    return tuple(done)
