"""What material for a key is wrapped under (GetParametersForImport)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kmsplan.engine import expiring, hardware, wrapping
from kmsplan.engine.audit import ACCEPTED
from kmsplan.engine.execution import admitted, commit
from kmsplan.engine.importing.found import answering, find
from kmsplan.engine.importing.token import issue, keep
from kmsplan.engine.keystore import token as tokens
from kmsplan.engine.parameter import invalid
from kmsplan.engine.protection.protocol import Importer
from kmsplan.kms.error import KmsError
from kmsplan.kms.wrapping import WRAPPINGS, Wrapping, wrappings_for

if TYPE_CHECKING:
    from kmsplan.engine.audit import Request
    from kmsplan.engine.caller import Caller
    from kmsplan.engine.core import Core
    from kmsplan.engine.importing.found import Found
    from kmsplan.engine.importing.token import Issued
    from kmsplan.engine.keystore.transaction import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportParameters:
    """What to wrap material under, and what to send with it."""

    key_id: str
    token: bytes
    """Goes with the material; within its time it may be used as often as one likes."""
    public_key: bytes
    """DER SubjectPublicKeyInfo."""
    expires: str
    """When the token does."""


def parameters_for_import(core: Core, caller: Caller, key: str, algorithm: str, spec: str) -> ImportParameters:
    """Make a key pair that material for a key can be wrapped under (GetParametersForImport).

    Args:
        core: the engine.
        caller: who asks.
        key: the key's id or ARN.
        algorithm: the wrapping algorithm.
        spec: the wrapping key's.

    Raises:
        KmsError: it is refused; the state is as before in any case.
    """
    request = core.request(caller, "GetParametersForImport", key)
    with admitted(core, request), answering():
        found = find(core, request, key)
        chosen = _wrapping(core, found, algorithm, spec)
        request.parameters = {"WrappingAlgorithm": algorithm, "WrappingKeySpec": spec}
        protection = core.protection(found.instance)
        if isinstance(protection, Importer):
            issued, public_key = _pair_in_hsm(core, request, found, chosen, protection)
        else:
            issued, public_key = _pair_here(core, request, found, chosen)
    return ImportParameters(
        key_id=found.key.key_id, token=issued.token, public_key=public_key, expires=issued.row.expires
    )


def _wrapping(core: Core, found: Found, algorithm: str, spec: str) -> Wrapping:
    """Return the wrapping that was asked for.

    Raises:
        KmsError: there is none, it does not carry such material, or the HSM does not know it.
    """
    key_spec, protection = found.design.spec, core.protection(found.instance)
    names = [one.name for one in wrappings_for(key_spec)]
    chosen = WRAPPINGS.get(algorithm)
    if chosen is None or algorithm not in names:
        raise invalid("WrappingAlgorithm", f"material of {key_spec} keys is wrapped by {' or '.join(names)}")
    if chosen.spec != spec:
        raise invalid("WrappingKeySpec", f"{algorithm} goes with {chosen.spec}")
    if isinstance(protection, Importer):
        names = list(protection.wrappings(key_spec))
        if algorithm not in names:
            raise KmsError(
                "UnsupportedOperation",
                f"The HSM of {found.instance.instance_id} does not unwrap {key_spec} keys by {algorithm}. It does by "
                f"{' or '.join(names) or 'no algorithm'}.",
            )
    return chosen


def _pair_here(core: Core, request: Request, found: Found, chosen: Wrapping) -> tuple[Issued, bytes]:
    """Make a wrapping key whose private half is boxed in the database."""
    core.opened()
    pair = wrapping.generate(chosen.spec)
    issued = issue(core, found.key, chosen, private_key=pair.private)
    commit(core, request, lambda transaction: keep(transaction.db, issued.row, request.time), uses_keys=True)
    return issued, pair.public


def _pair_in_hsm(
    core: Core, request: Request, found: Found, chosen: Wrapping, protection: Importer
) -> tuple[Issued, bytes]:
    """Make a wrapping key in the HSM, written down before: it is destroyed when its token expires, made or not."""
    reference = core.world.entropy(16)
    issued = issue(core, found.key, chosen, reference=reference)

    def begin(transaction: Transaction) -> None:
        keep(transaction.db, issued.row, request.time)
        transaction.entries.append(request.entry(ACCEPTED) | {"reference": reference.hex()})

    core.store.write(begin)
    try:
        hardware.expect_home(core, found.instance)
        public_key = protection.wrapping_key(reference)
        commit(core, request, lambda _: None, uses_keys=True)
    except BaseException:
        core.store.write(lambda transaction: tokens.expire(transaction.db, issued.row.token_id, request.time))
        expiring.clean_tokens(core)
        raise
    return issued, public_key
