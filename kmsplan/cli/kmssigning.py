"""Approving a plan with a key of the KMS itself: it signs the SHA-256 digest of the statement."""

from __future__ import annotations

import hashlib
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kmsplan.cli import kms
from kmsplan.cli.failure import UserError
from kmsplan.cli.session import entropy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kmsplan.approval.publickey import PublicKey
    from kmsplan.cli.options import Variables
    from kmsplan.cli.session import Session
    from kmsplan.config.configuration import Configuration


@dataclass(frozen=True, slots=True)
class KmsKey:
    """A key of the KMS that signs plans."""

    public: PublicKey
    _sign: Callable[[str, bytes], bytes]

    def sign(self, message: bytes) -> bytes:
        """Sign; the public key decides the algorithm, for whoever verifies as well."""
        return self._sign(str(self.public.kms_algorithm), hashlib.sha256(message).digest())


@contextmanager
def kms_key(session: Session, variables: Variables, name: str) -> Iterator[KmsKey]:
    """Lend a key of the KMS that the configuration names.

    Raises:
        UserError: there is no such key, or it is of a kind that cannot sign plans.
        EngineError, KmsError: the KMS refuses.
    """
    configuration = session.configuration(variables)
    identity = _identity(session, configuration, name)
    if configuration.engine.provider == "alibaba":
        from kmsplan.provider.alibaba.settings import settings  # noqa: PLC0415 - the SDK takes 0.3 s
        from kmsplan.provider.alibaba.signing import ApiSigner  # noqa: PLC0415

        signer = ApiSigner(settings(configuration.engine.options), identity, entropy=entropy)
        try:
            yield KmsKey(_public(name, signer.public_key()), signer.sign)
        finally:
            signer.close()
        return
    with kms.opened(session, variables) as engine:
        public = _public(name, engine.public_key(identity))
        yield KmsKey(public, lambda algorithm, digest: engine.sign(identity, None, algorithm, digest))


def _identity(session: Session, configuration: Configuration, name: str) -> str:
    """Return the recorded identity of an address; ids, aliases and ARNs are what they are."""
    if not name.startswith(("key.", "default_key.")):
        return name
    records = session.store(configuration).load().records
    record = next((record for address, record in records.items() if address == name), None)
    if record is None:
        raise UserError(f"{name} is not recorded", "kmsplan state list shows what is.")
    return record.identity


def _public(name: str, pem: str) -> PublicKey:
    from kmsplan.approval.publickey import parse  # noqa: PLC0415 - 0.1 s

    try:
        return parse(pem)
    except ValueError as error:
        raise UserError(f"{name} cannot sign plans: {error}", "Name a key of such a spec.") from error
