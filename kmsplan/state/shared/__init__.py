"""States that a team shares: kept at a remote place, with a journal on this machine, too.

1. A remote place keeps the snapshot, the journal of the run under way, and a lease; every write carries the lease's
   fence number and the version that was read, and the place itself refuses it where either is not the current one.
2. Every journal line is on this machine's disk before it is sent there, and an operation is sent to the KMS after both.
   So a place that fails in the middle of a run loses nothing, and a machine that fails loses nothing, either.
3. Whoever opens a state for writing first folds what an interrupted run has left, from wherever most of it is.
"""
