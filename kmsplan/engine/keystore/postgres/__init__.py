"""PostgreSQL as a place for the keystore, for engines on several machines.

1. All nodes write one after another, behind an advisory lock of the transaction: the audit trail is one chain, so that
   row locks would gain nothing.
2. A connection that has died is replaced where nothing was begun on it yet.
3. How a commit ended whose answer never came is asked for by its transaction id, so that nobody has to guess.

Locks, transaction ids and settings belong to a session: a pooler between must be in session mode.
"""
