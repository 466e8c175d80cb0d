"""The encrypted database: SQLite, and every SQL statement of the engine.

1. One thread writes. It takes all waiting writes into one transaction, so they share one flush to disk.
2. Each write has a savepoint of its own: one that is refused takes nobody else with it.
3. Readers have connections of their own and never wait for the writer.
4. Times are UTC text, `yyyy-MM-ddTHH:mm:ssZ`, which sorts as time does.
"""
