"""The KMS that kmsplan ships: real keys in an encrypted database, in HSM tokens, or at key managers of others.

1. One execution path: authorise, load, check the state table, do, persist, audit. An operation adds only its part.
2. An answer leaves only after the commit that holds its effect and its audit entry; both are one transaction.
3. Material is stored wrapped only. A sealed engine has no key to unwrap it with.
4. Time, randomness and HSMs are given from outside.
"""
