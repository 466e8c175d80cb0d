"""Nonces of signed requests: used up before a managing action begins, and forgotten once no request of theirs is good.

What uses keys needs no transaction for it: it uses its nonce up in the one that its audit entry is in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from kmsplan.engine.caller import Caller
    from kmsplan.engine.core import Core
    from kmsplan.engine.keystore.transaction import Transaction
    from kmsplan.kms.error import KmsError

WINDOW: Final = 15 * 60
"""Seconds that a client's clock may be wrong, either way."""
_KEPT: Final = WINDOW + 60
"""Seconds for which a nonce is known: a minute longer than its request is good, because no two clocks are equal."""


def use_up(core: Core, caller: Caller, action: str) -> None:
    """Use up the nonce of a caller's request, where nodes share nonces.

    Raises:
        KmsError: it was used before, on whatever node; that is audited.
    """
    claim = caller.claim
    if claim is None:
        return
    request = core.request(caller, action, None)

    def decided(transaction: Transaction) -> KmsError | None:
        refusal = claim.refusal()
        if refusal is not None:
            transaction.entries.append(request.entry(refusal.code))
            refusal.request_id = request.request_id
        return refusal

    refusal = core.store.submit(decided, touches=False, claim=claim).wait()
    if refusal is not None:
        raise refusal


def forget_old(core: Core) -> None:
    """Forget the nonces of requests whose time is over, where nodes share nonces."""
    nonces = core.store.nonces
    if nonces is None:
        return
    before = int(core.world.clock().timestamp()) - _KEPT
    with core.store.look() as db:
        due = nonces.is_due(db, before)
    while due:
        due = core.store.submit(lambda transaction: nonces.forget(transaction.db, before), touches=False).wait()
