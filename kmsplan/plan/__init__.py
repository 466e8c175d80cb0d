"""Desired, recorded and observed objects in; a plan out. Pure: no I/O, no clock, no randomness.

1. Equal inputs make equal plans, in whatever order they come.
2. What could not be read is never made again, deleted or forgotten: its change is blocked, and the rest goes on.
3. A refused change has no steps: the violation explains it, and nothing can carry it out by accident.
4. The way of a plan: `guard` (is this the right KMS?), `situation` (who is who), `decide` and its cases (one object
   at a time), `graph` (what waits for what), `select` (targets), `brakes` (how much at once).
"""
