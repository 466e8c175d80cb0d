"""SM2 (GM/T 0003) through the system's OpenSSL 3, which the package `cryptography` does not offer.

1. `libcrypto` binds the few functions; `sm2` is what the engine uses.
2. A host without libcrypto.so.3, or with one built without SM2, works on; SM2 is not offered there.
3. Never the PyPI package gmssl: it takes SM2's nonces from a generator that can be predicted, which gives keys away.
"""
