"""Alibaba Cloud KMS as a provider, through the official SDK; a served kmsplan engine speaks the same API.

1. The SDK is used for what it is official for: credentials, signature, transport. Actions are called by their names
   with the parameters of the API reference, so that what the SDK's models lack can be called too.
2. `Absent` is 404 with the code that says so, and nothing else: every other failure leaves an object unreadable.
3. A change carries a nonce of its own, the same at every attempt: the KMS refuses a copy that comes late or twice, and
   so carries it out once at most.
"""
