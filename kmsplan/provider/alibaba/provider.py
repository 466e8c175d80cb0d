"""The provider: observe and execute over the API."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from kmsplan.kms.error import KmsError
from kmsplan.kms.naming import OWNER_TAG, STATE_TAG
from kmsplan.kms.operation import ImportKeyMaterial, ReleaseKmsInstance, TagResources, name_of
from kmsplan.provider.alibaba.channel import SdkChannel
from kmsplan.provider.alibaba.failure import CallError, unreadable
from kmsplan.provider.alibaba.identity import account, require_account
from kmsplan.provider.alibaba.importing import ApiTarget
from kmsplan.provider.alibaba.limiter import RATES, Limiter
from kmsplan.provider.alibaba.nonce import Nonces
from kmsplan.provider.alibaba.normal import observations, states
from kmsplan.provider.alibaba.offer import OFFER
from kmsplan.provider.alibaba.reads import Reads
from kmsplan.provider.alibaba.request import ACTIONS, MADE, request
from kmsplan.provider.alibaba.survey import keys_in, kind_of, look_up, survey
from kmsplan.provider.protocol import Executed, nothing
from kmsplan.provider.watch import Unwatched
from kmsplan.resource.value import ABSENT, Observation, Observed, Present, Unreadable

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from kmsplan.kms.operation import Operation
    from kmsplan.provider.alibaba.channel import Channel
    from kmsplan.provider.alibaba.settings import Settings
    from kmsplan.provider.alibaba.survey import Surveyed
    from kmsplan.provider.importing import Importing
    from kmsplan.provider.watch import Watch

_UNKNOWN_ACTION: Final = "InvalidAction.NotFound"


class AlibabaReader:
    """Reads a KMS; it has no method that changes anything."""

    offer = OFFER

    def __init__(
        self,
        settings: Settings,
        *,
        entropy: Callable[[int], bytes],
        channel: Channel | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
        watch: Watch | None = None,
    ) -> None:
        """Prepare; nothing is sent yet.

        Args:
            settings: which KMS.
            entropy: randomness, for nonces and jitter.
            channel: carries calls; None: the SDK.
            clock: seconds of a monotonic clock.
            sleep: waits so many seconds.
            watch: hears how far a reading is.

        Raises:
            KmsError: the SDK is not installed.
        """
        self._settings = settings
        self._channel = channel or SdkChannel(settings)
        self._limiter = Limiter(clock, sleep, RATES if settings.limited else {})
        self._watch = watch or Unwatched()
        self._reads = Reads(
            self._channel, self._limiter, region=settings.region, entropy=entropy, sleep=sleep, watch=self._watch
        )
        self._account: str | None = None

    def observe(self, identities: Collection[str]) -> Observed:
        """Read everything that there is, and these objects whatever the lists say."""
        with self._watch.reading():
            surveyed = survey(self._reads, identities)
        require_account(self._require_account(), surveyed.key_arns)
        return self._observed(surveyed, identities)

    def close(self) -> None:
        """Close connections."""
        self._channel.close()

    def _observed(self, surveyed: Surveyed, identities: Collection[str]) -> Observed:
        wanted = frozenset(identities)
        objects: dict[str, Observation] = dict.fromkeys(identities, ABSENT)
        others: list[Present] = []
        for identity, found in observations(surveyed, self._require_account()):
            if identity in wanted:
                objects[identity] = found
            elif isinstance(found, Present):
                others.append(found)
            elif isinstance(found, Unreadable):
                _require_foreign(identity, found, surveyed)
                objects[identity] = found
        return Observed(environment=self._environment(), objects=objects, others=tuple(others), states=states(surveyed))

    def _require_account(self) -> str:
        if self._account is None:
            self._account = account(self._reads, self._settings)
        return self._account

    def _environment(self) -> str:
        settings = self._settings
        return f"alibaba/{self._require_account()}/{settings.region}/{settings.kms}"


class AlibabaProvider(AlibabaReader):
    """Reads, and carries out operations."""

    def __init__(
        self,
        settings: Settings,
        *,
        entropy: Callable[[int], bytes],
        importing: Importing | None = None,
        channel: Channel | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
        watch: Watch | None = None,
    ) -> None:
        """Prepare; see `AlibabaReader`. `importing` finds and wraps key material; without it none is imported."""
        super().__init__(settings, entropy=entropy, channel=channel, clock=clock, sleep=sleep, watch=watch)
        self._importing = importing
        self._nonces = Nonces(entropy, clock, settings.read_timeout)

    def prepare(self) -> str:
        """Return the environment; the KMS is there already."""
        return self._environment()

    def look_up(self, identity: str | None, owner: str | None) -> Observed:
        """Read one object, or what carries an owner tag, and nothing else."""
        tag = None if owner is None else (OWNER_TAG, owner)
        identities = () if identity is None else (identity,)
        return self._observed(look_up(self._reads, identity=identity, owner=tag), identities)

    def execute(self, operation: Operation, intent: Callable[[], None] = nothing) -> Executed:
        """Carry out one operation: one call, sent once.

        Raises:
            KmsError: it was refused or failed.
        """
        intent()
        if isinstance(operation, ImportKeyMaterial):
            return self._import(operation)
        if isinstance(operation, ReleaseKmsInstance) and not operation.force:
            self._require_empty(str(operation.instance))
        action, query = request(operation, account=self._require_account(), region=self._settings.region)
        answer = self._send(operation, action, query)
        made = MADE.get(name_of(operation))
        if made is None:
            return Executed()
        try:
            return Executed(str(made(answer)))
        except (KeyError, TypeError) as error:
            raise unreadable(action, self._settings.endpoint) from error

    def self_test(self, identity: str) -> bool:
        """Nothing: who may manage keys in the cloud is not thereby allowed to use them."""
        del identity
        return False

    def witness(self, lineage: str, serial: int, home: str | None) -> None:
        """Tag one of the state's objects; one call for a whole run."""
        if home is not None:
            tags = {STATE_TAG: f"{lineage}/{serial}"}
            self.execute(TagResources(resource=home, resource_type=kind_of(home), tags=tags))

    def _require_empty(self, instance: str) -> None:
        """Look once more: the cloud destroys what is in an instance, and a key may have come since the plan was made.

        Raises:
            KmsError: there is a key in it, or nobody can tell.
        """
        inside = keys_in(self._reads, instance)
        if inside:
            raise KmsError(
                "Rejected.InstanceNotEmpty",
                f"{instance} was not released: it holds {inside[0]}"
                + (f" and {len(inside) - 1} more" if len(inside) > 1 else "")
                + ", which would be destroyed with it. Plan again and look at what it says now.",
            )

    def _import(self, operation: ImportKeyMaterial) -> Executed:
        """Find, wrap and send key material; what is sent once is the material."""
        if self._importing is None:
            raise KmsError("UnsupportedOperation", "This run was given no way to find key material.")
        target = ApiTarget(
            self._reads, lambda query: self._send(operation, "ImportKeyMaterial", query), self._settings.endpoint
        )
        self._importing.carry_out(target, operation)
        return Executed()

    def _send(self, operation: Operation, action: str, query: dict[str, object]) -> dict[str, object]:
        self._limiter.wait(action)
        try:
            answer = self._channel.call(action, query, nonce=self._nonces.of(operation))
        except CallError as error:
            failed = self._nonces.failed(operation, error)
        else:
            self._nonces.over(operation)
            return answer
        if failed.code == _UNKNOWN_ACTION and action in ACTIONS.values():
            raise _not_sold_here(operation, self._settings)
        raise failed


def _require_foreign(identity: str, found: Unreadable, surveyed: Surveyed) -> None:
    """Let an object be unreadable that nobody asked for, unless it is kmsplan's: it might be made a second time.

    Raises:
        KmsError: it is.
    """
    owner = surveyed.tags.get(identity, {}).get(OWNER_TAG)
    if owner is not None:
        raise KmsError(
            found.code,
            f"{identity} carries kmsplan's owner tag {owner} and cannot be read: {found.message} Nothing can be "
            "planned while it is not known what it is.",
        )


def _not_sold_here(operation: Operation, settings: Settings) -> KmsError:
    return KmsError(
        "UnsupportedOperation",
        f"{settings.endpoint} does not carry out {name_of(operation)}: Alibaba Cloud sells and resizes KMS instances "
        "as orders, which kmsplan does not place. Buy and enable the instance in the console, and adopt it with an "
        "import block: import: [{address: instance.NAME, identity: kst-...}].",
    )
