"""Where key material lives and is used: in this process (software), in an HSM (pkcs11), at a key manager (external).

1. A backend makes material and opens it as a handle; all cryptography with a secret happens on handles.
2. What only some handles can do is a protocol of its own, asked for at run time.
3. A failed decryption is one opaque `InvalidCiphertextError`, whatever went wrong.
"""
