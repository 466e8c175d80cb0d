"""What there is and what falls due: every key with its facts, and the dates that somebody has to know.

Reads what has been read already: observed objects, records and the configuration. It asks no KMS, and decides nothing.
A fact that nobody could tell is unknown, and never taken for "none" or "never".
"""
