"""Importing key material (BYOK): the parameters to wrap it under, and its arrival. How it ends, `expiring` says.

1. Software keys' material is unwrapped and checked in this process; a hardware key's is unwrapped inside its HSM.
2. A key takes one material for ever, known by its fingerprint, also after that was deleted or has expired.
3. HSM material is written down before it is unwrapped, as generated material is; see `hardware`. What the HSM wraps for
   the keystore to keep needs none of that; see `hsmwrapped`.
"""
