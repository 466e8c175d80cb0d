"""What can be declared: one module per kind, each with one attribute table from which all else derives.

1. Desired, recorded and observed objects have one shape, `Resource`: address and canonical attributes.
2. Canonical: durations in seconds, windows in days, defaults filled in, references as addresses, tags and
   policies as plain mappings. Two equal wishes are equal values.
3. A kind turns a difference into steps (operation and effect); it never decides whether to take them.
"""
