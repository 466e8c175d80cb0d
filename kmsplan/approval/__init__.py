"""Who approved a saved plan: detached signatures over its digest, and the judgement of whether they are enough.

1. A signature says who signs which plan, from when until when (`signature`). The plan is meant by its digest, so that
   a signature is good for no other plan, and for no edited one.
2. Whom to believe comes from outside of the plan and its signatures: a list of names and public keys. Nothing that a
   signature file says of itself makes its signer trusted, or chooses the algorithm that checks it (`publickey`).
3. Judging is pure (`judge`): signatures, policy, plan and time in; who counts, who does not and why out.

It reads no configuration, plan or state: those come in as values.
"""
