"""What a rule is: what it can ask (`fact`), in which language (`expression`), and kmsplan's own ones (`pack/`).

1. Every rule, kmsplan's and the user's, is two expressions of the Common Expression Language: `when` says whom it
   concerns, `must` what has to hold. There is no other way to write one.
2. An expression is checked against the table of facts before it ever runs: a name that no fact has is a mistake of the
   configuration, not a rule that nothing breaks.
3. Expressions read facts and do nothing else; they cannot loop without end, and patterns match in linear time.

Judging is done in `kmsplan.policy`; reading rules from files in `kmsplan.config`.
"""
