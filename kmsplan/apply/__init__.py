"""Carries out a plan, and nothing else: per operation journal.begin, provider.execute (it flushes), journal.end.

1. An intent is on disk before its effect. What a crash leaves open is settled by reading the KMS, never by guessing.
2. A created object carries an owner tag with lineage, address and token, so that an interrupted creation is found.
3. One failure stops what depends on it, and nothing else.
4. Only what is repeatable, or is known not to have happened, is tried again.
5. It plans nothing and prints nothing: the plan comes in as a value, progress goes out as events.
"""
