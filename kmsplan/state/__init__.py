"""RECORDED: what the last run left, as a fold of snapshot and journal.

1. Model (record), file format (snapshot, journal), storage (local) and lock stand apart.
2. Every operation's begin is on disk before its call, its end after it; any prefix of a journal folds to a valid
   state.
3. A snapshot replaces the one before it atomically; earlier serials are kept.
4. Nothing secret can be recorded: records hold canonical attributes, and no attribute is a secret.
"""
