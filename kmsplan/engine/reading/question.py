"""The way of a question: who may ask it, and one state of the database to answer it from."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, NamedTuple

from kmsplan.engine.access.decision import admit
from kmsplan.engine.lookup import find_named, require_id
from kmsplan.kms.error import KmsError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kmsplan.engine.audit import Request
    from kmsplan.engine.caller import Caller
    from kmsplan.engine.core import Core
    from kmsplan.engine.keystore.connection import Connection
    from kmsplan.engine.keystore.key import KeyRow

_DENIED: Final = "Forbidden.NoPermission"


class Question(NamedTuple):
    """A question that may be asked."""

    core: Core
    db: Connection
    request: Request

    def key(self, name: str) -> KeyRow:
        """Return the key that an id, an alias or an ARN means.

        Raises:
            KmsError: there is none, or the caller may not ask this of it.
        """
        return find_named(self.db, self.core.identity, self.request, name)

    def key_by_id(self, name: str) -> KeyRow:
        """Return the key that an id or an ARN means; what describes keys takes aliases, what manages them does not.

        Raises:
            KmsError: as `key`, or an alias was given.
        """
        require_id(name)
        return self.key(name)

    def arn(self, resource: str) -> str:
        """Return the ARN of `key/...`, `alias/...` or `keystore/...`."""
        return self.core.identity.arn_prefix + resource


@contextmanager
def asked(core: Core, caller: Caller, action: str, resource: str | None = None) -> Iterator[Question]:
    """Admit a question, and audit it where it is forbidden.

    Raises:
        KmsError: it is refused.
    """
    request = core.request(caller, action, resource)
    try:
        admit(request, core.identity.account)
        with core.store.read() as db:
            yield Question(core, db, request)
    except KmsError as error:
        error.request_id = request.request_id
        # Who opened the engine for reading is the folder's owner, to whom nothing is forbidden.
        if error.code == _DENIED and core.presence is not None:
            entry = request.entry(error.code)
            core.store.submit(lambda transaction: transaction.entries.append(entry), touches=False).wait()
        raise
