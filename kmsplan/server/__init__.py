"""The wire API of the KMS over an engine: HTTP in, signatures checked, actions called, JSON out.

One request goes one way: `connection` (bytes to a call, with limits on size and time) - `application` (who is calling,
which action) - `signature`, `nonce` - `parameters` (text to values) - `action` (the engine's method and the answer's
shape) - `answer` (JSON). `supervisor` keeps as many `worker` processes on one bound socket.

Rules:
1. Every answer is JSON, whatever went wrong: the SDKs lose the HTTP status of any other.
2. No error tells more than the code, what the caller sent wrong, and a request id. What went wrong inside is logged.
3. What waits (RSA, an HSM, another machine, a change) waits in a thread; the rest runs on the event loop.
"""
