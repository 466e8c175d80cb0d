"""What a KMS is, as pure data and values: no I/O, no clock, no randomness, nothing of the project imported.

1. A fact stands once, in a table here; validation, planner, engine, schemas and docs read it.
2. Names are the API's own (Alibaba Cloud KMS 3.0, version 2016-01-20).
3. Where the public sources are silent the table says so in a comment and takes the reading that loses no key.
"""
