"""YAML text to desired objects: every problem at once, each with its place.

1. One way: `folder` reads files, `document` parses them with positions, `section` merges them, `variable` and
   `expand` fill in what is written once for many, `shape` checks against the JSON Schema, `objects` makes canonical
   attributes, `rules`, `policy` and `blocks` apply what the KMS's tables and the references demand. `load` runs them
   in this order.
2. A step never raises on what a user wrote: it adds to `Problems` and leaves out what it could not understand, marked
   so that no later step complains of the gap.
3. Secrets are references here. A literal one is refused, and no message or excerpt repeats it.
"""
