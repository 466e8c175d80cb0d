"""The way to a KMS: two methods, observe and execute.

1. A provider reads and carries out; it never diffs, orders, prints, or decides.
2. `Reader` has no method that changes anything: planner input and drift get one, so they cannot write by type.
3. Absent means that the KMS said so. Any failure to read is Unreadable.
"""
