"""One call of the data plane: what it is given, what it used, and the check in the transaction of its answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kmsplan.engine.access.decision import absent, permit, require_reach
from kmsplan.engine.access.lookup import require_active
from kmsplan.engine.access.role import Role
from kmsplan.engine.audit import OK
from kmsplan.engine.core import sealed
from kmsplan.engine.dataplane.answer import SlowError, StaleError
from kmsplan.engine.dataplane.target import Target, find, load
from kmsplan.engine.keystore import key as keys
from kmsplan.engine.lookup import refuse_migrated
from kmsplan.kms.error import KmsError
from kmsplan.kms.lifecycle import KeyState, check
from kmsplan.kms.spec import KeyType, KeyUsage

if TYPE_CHECKING:
    from kmsplan.engine.audit import Request
    from kmsplan.engine.core import Core
    from kmsplan.engine.dataplane.target import Question
    from kmsplan.engine.keystore.connection import Connection
    from kmsplan.engine.keystore.transaction import Transaction

_MINUTE: Final = len("2026-01-01T00:00")
"""As far as two times are equal that lie in one minute: `last_used` is written once a minute at most."""


class Call:
    """A call, from its arguments to its commit.

    Args:
        core: the engine.
        request: what is audited.
        dry_run: whether it is refused even where everything allows it.
        hurried: whether it ends with SlowError where a key takes more than microseconds.
    """

    __slots__ = ("_encrypted", "_hurried", "_used", "core", "dry_run", "request")

    def __init__(self, core: Core, request: Request, *, dry_run: bool, hurried: bool) -> None:
        self.core = core
        self.request = request
        self.dry_run = dry_run
        self._hurried = hurried
        self._used: list[tuple[Target, str]] = []
        self._encrypted: list[Target] = []

    def find(
        self,
        name: str,
        *,
        version: str | None = None,
        usage: KeyUsage | None,
        symmetric: bool,
        action: str | None = None,
    ) -> Target:
        """Find a key and a version of it, the primary one unless another is named, and note that it is used.

        Args:
            name: id, alias or ARN.
            version: the version's id.
            usage: what it has to be for; None where either will do.
            symmetric: whether it has to be.
            action: what a key policy calls this use; the request's own name unless it stands for several uses.

        Raises:
            KmsError: there is no such key or version, it is forbidden, or it is another kind of key.
            SlowError: using it takes its time; it is not noted.
        """
        core, request = self.core, self.request
        caller, action = request.caller, action or request.action
        require_reach(request, name, core.identity.account)
        target = core.targets.get(name, version)
        question = (caller.account, caller.user, caller.role, request.action, action, usage, symmetric)
        if target is None or question not in target.permitted:
            target = self._permitted(target, name, version, question)
        if self._hurried and not target.quick:
            raise SlowError
        self._name(target)
        core.throttle(caller, target.instance, symmetric=symmetric)
        self._used.append((target, action))
        return target

    def _permitted(self, target: Target | None, name: str, version: str | None, question: Question) -> Target:
        """Return the key that a name means, once it is clear that it may be used so; raises as `find`."""
        core = self.core
        *_, action, usage, symmetric = question
        if target is None or self._refusal(target, action, usage, symmetric=symmetric) is not None:
            core.targets.drop(name, version)  # what was refused when it was looked up may be allowed by now
            try:
                target = find(core, name, version)
            except KmsError as error:
                raise absent(self.request, error, core.identity.account, action) from None
            refusal = self._refusal(target, action, usage, symmetric=symmetric)
            if refusal is not None:
                self._name(target)
                raise refusal
        target.permit(question)
        return target

    def _name(self, target: Target) -> None:
        """Say in the audit entry which key it is; the first one, where there are several."""
        if not self._used:
            self.request.resource = target.key_id

    def _refusal(self, target: Target, action: str, usage: KeyUsage | None, *, symmetric: bool) -> KmsError | None:
        """Return why a key cannot be used so, or None."""
        try:
            self._check(target, action)
            target.ready()
        except KmsError as error:
            return error
        if (usage is not None and target.key.usage != usage) or target.facts.symmetric is not symmetric:
            return KmsError(
                "Rejected.UnsupportedOperation" if action.startswith("Asymmetric") else "UnsupportedOperation",
                f"{action} does not go with {target.key_id}: it is {target.key.spec}, for {target.key.usage}.",
            )
        return None

    def home(self, key_id: str) -> str:
        """Return a name of the key that a ciphertext names; to callers of other accounts that is as good as an ARN."""
        identity, account = self.core.identity, self.request.caller.account
        return key_id if account in (None, identity.account) else f"{identity.arn_prefix}key/{key_id}"

    def will_encrypt(self, target: Target) -> None:
        """Note that a target encrypts once, for the limit of AES-GCM."""
        if target.instance.type != KeyType.EXTERNAL:  # what another key manager's key may do, that one counts
            self._encrypted.append(target)

    def outdated(self) -> bool:
        """Return whether what was used is not what the database has: another process has changed or ended it meanwhile.

        Raises:
            KeystoreError: nothing can be read.
        """
        with self.core.store.read() as db:
            return any(not _current(self.core, db, target) for target, _ in self._used)

    def forget(self) -> None:
        """Forget what was used: where a backend does not answer, its instance may have been redirected meanwhile."""
        for target, _ in self._used:
            self.core.targets.drop(target.name, target.wanted)
            self.core.handles.drop(target.key_id)

    def settle(self, transaction: Transaction) -> Exception | None:
        """Check in the transaction that what was used still holds, count and audit it; return why not, or None.

        A refusal is audited in the same transaction, so it is returned and not raised.
        """
        if transaction.sealed:
            self.core.seal()
            refusal = sealed()
        else:
            try:
                claim = self.request.caller.claim
                if claim is not None and (replay := claim.refusal()) is not None:
                    raise replay
                self._hold(transaction)
            except StaleError as stale:
                return stale
            except KmsError as error:
                refusal = error
            else:
                if not self.dry_run:
                    transaction.entries.append(self.request.entry(OK))
                    return None
                refusal = KmsError("DryRunOperationError")
        refusal.request_id = self.request.request_id
        transaction.entries.append(self.request.entry(refusal.code))
        return refusal

    def _hold(self, transaction: Transaction) -> None:
        """Check and count.

        Raises:
            StaleError: a name means something else by now.
            KmsError: it is refused by now.
        """
        generation, caller = transaction.generation, self.request.caller
        if caller.account is not None and caller.generation != generation:
            require_active(transaction.db, caller.actor)
        for target, action in self._used:
            if target.generation != generation or generation is None:
                self._renew(transaction, target, action, generation)
        if self.dry_run:
            return
        for target, _ in self._used:
            self._note_use(transaction, target)
        for target in self._encrypted:
            self.core.allowances.take(transaction, target.ready())

    def _renew(self, transaction: Transaction, target: Target, action: str, generation: int | None) -> None:
        """Read again what a name means; raises as `_hold`."""
        core = self.core
        try:
            used = load(core, transaction.db, target.name, target.wanted)
        except KmsError:
            core.targets.drop(target.name, target.wanted)
            core.handles.drop(target.key_id)
            raise
        if not target.same(used):
            core.targets.drop(target.name, target.wanted)
            core.handles.drop(target.key_id)
            self._check(Target(target.name, target.wanted, used, None), action)
            raise StaleError
        target.generation = generation

    def _note_use(self, transaction: Transaction, target: Target) -> None:
        """Write the date of use, at most once a minute."""
        time, last = self.request.time, target.key.last_used
        if last is None or last[:_MINUTE] < time[:_MINUTE]:
            keys.used(transaction.db, target.key_id, time)
            transaction.after.append(lambda: target.used(time))

    def _check(self, target: Target, action: str) -> None:
        """Check permission, key type and state.

        Raises:
            KmsError: it is forbidden.
        """
        permit(self.request, target.key, self.core.identity.account, by_arn=target.by_arn, action=action)
        refuse_migrated(target.key)
        if not (target.capability.encrypt or self._serves(target)):
            raise KmsError(
                "UnsupportedOperation",
                f"{action} does not go with {target.key_id}: default keys encrypt for cloud services only.",
            )
        check(self.request.action, target.state)
        expires = target.key.material_expires
        if expires is not None and expires <= self.request.time:
            # Nobody has let the schedule do its work yet; the material has ended all the same.
            check(self.request.action, KeyState.PENDING_IMPORT)

    def _serves(self, target: Target) -> bool:
        """Whether a cloud service calls that may encrypt with the key; a service key is for its own service alone."""
        caller = self.request.caller
        if caller.role is not Role.SERVICE or not target.capability.server_side_encryption:
            return False
        return target.instance.type != KeyType.SERVICE_KEY or caller.user == f"role/{target.key.creator}"


def _current(core: Core, db: Connection, target: Target) -> bool:
    try:
        return target.same(load(core, db, target.name, target.wanted))
    except KmsError:
        return False
