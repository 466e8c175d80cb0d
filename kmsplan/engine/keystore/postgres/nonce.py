"""Nonces in PostgreSQL; see `keystore.nonce`.

A nonce is taken once whatever time its request bears: who signs a request anew with the old nonce wants it done once.

The table is emptied by time. The time up to which nonces are gone stands beside it, and nothing as old is taken any
more: so no clock that is wrong lets a nonce in twice. Where the database's clock was ahead and is set back, that time
is one to come; it becomes the present one then, or nothing would be served until it has come.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kmsplan.engine.keystore.nonce import TAG_BYTES, forgotten, used

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kmsplan.engine.keystore.connection import Connection
    from kmsplan.engine.keystore.nonce import Claim

TABLES: Final = """
CREATE TABLE nonce (tag BYTEA PRIMARY KEY, time BIGINT NOT NULL);
CREATE INDEX nonce_by_time ON nonce (time);
CREATE TABLE nonce_floor (time BIGINT NOT NULL);
INSERT INTO nonce_floor VALUES (0);
"""
# All tags are one value, and those that were taken another: an array of them takes the client three times as long.
_USE_UP: Final = f"""
WITH taken AS (
  INSERT INTO nonce
  SELECT substr(?::bytea, ((given.place - 1) * {TAG_BYTES} + 1)::int, {TAG_BYTES}), given.time
  FROM unnest(?::bigint[]) WITH ORDINALITY AS given (time, place)
  WHERE given.time > (SELECT time FROM nonce_floor)
  ON CONFLICT DO NOTHING RETURNING tag
)
SELECT time, (SELECT string_agg(tag, '') FROM taken) FROM nonce_floor
"""  # noqa: S608 - our own number
_CHUNK: Final = 5000
"""Nonces forgotten in one transaction, in which all nodes wait: some milliseconds."""
_NOW: Final = "floor(extract(epoch FROM clock_timestamp()))::bigint"
_AHEAD: Final = 3600
"""Seconds by which the floor is never ahead, unless the database's clock was set back."""
_IS_DUE: Final = f"""
SELECT EXISTS (SELECT FROM nonce WHERE time <= ?) OR EXISTS (SELECT FROM nonce_floor WHERE time > {_NOW} + {_AHEAD})
"""  # noqa: S608 - our own words
_MOVE_FLOOR: Final = f"""
UPDATE nonce_floor
SET time = CASE WHEN time > {_NOW} + {_AHEAD} THEN {_NOW} ELSE greatest(time, least(?, {_NOW})) END
"""  # noqa: S608 - our own words
# By where the rows lie: a join by their tags would go through all of them.
_FORGET: Final = f"""
DELETE FROM nonce WHERE ctid = ANY (ARRAY(
  SELECT ctid FROM nonce WHERE time <= (SELECT time FROM nonce_floor) ORDER BY time LIMIT {_CHUNK}
))
"""  # noqa: S608 - our own number


class PostgresNonces:
    """The tables `nonce` and `nonce_floor`; see `SharedNonces`."""

    def use_up(self, db: Connection, claims: Sequence[Claim]) -> None:
        """Decide claims in the open transaction."""
        given = (b"".join(claim.tag for claim in claims), [claim.time for claim in claims])
        floor, found = db.execute(_USE_UP, given).fetchone()
        taken = {found[start : start + TAG_BYTES] for start in range(0, len(found or b""), TAG_BYTES)}
        for claim in claims:
            if claim.tag in taken:
                taken.remove(claim.tag)  # of two in one transaction the first one has it
                claim.decide(None)
            else:
                claim.decide(forgotten if claim.time <= floor else used)

    def is_due(self, db: Connection, before: int) -> bool:
        """Return whether nonces are kept that are older than a time."""
        return bool(db.execute(_IS_DUE, (before,)).fetchone()[0])

    def forget(self, db: Connection, before: int) -> bool:
        """Forget some of those; return whether there may be more."""
        db.execute(_MOVE_FLOOR, (before,))
        return db.execute(_FORGET).rowcount == _CHUNK
