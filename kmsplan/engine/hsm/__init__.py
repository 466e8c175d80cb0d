"""PKCS#11 tokens, used in a process of their own.

1. A module may crash, hang or fork badly: it is loaded in the worker process alone, never in this one.
2. The worker ends with its client; it has no name anybody else could reach, and gets the PIN as its first message.
3. "Not found" means "does not exist" only where the sentinel object is found by the same, fresh search.
4. Templates are built from checked values of known types; nothing of a request goes into one.
"""
