from __future__ import annotations

from kmsplan.provider.embedded import OFFER
from kmsplan.provider.recorded import RecordedReader
from kmsplan.resource.address import Address
from kmsplan.resource.step import Status
from kmsplan.resource.value import ABSENT, Present
from kmsplan.state.record import Record, Recorded

INSTANCE = Record(
    address=Address("instance.core"), identity="kst-1", attributes={"type": "software", "spec": 1000, "tags": {}}
)
KEY = Record(
    address=Address("key.orders"), identity="key-1", attributes={"instance": "instance.core", "enabled": False}
)
GOING = Record(
    address=Address("key.old"), identity="key-2", attributes={"enabled": True}, status=Status.PENDING_DELETION
)
RECORDED = Recorded(
    lineage="l",
    serial=1,
    environment="embedded/x",
    records={record.address: record for record in (INSTANCE, KEY, GOING)},
)
READER = RecordedReader(RECORDED, OFFER)


def test_the_state_answers_in_place_of_the_kms() -> None:
    observed = READER.observe(["kst-1", "key-1", "key-2", "key-3"])
    states = {identity: getattr(found, "state", found) for identity, found in observed.objects.items()}
    assert states == {"kst-1": "Enabled", "key-1": "Disabled", "key-2": "PendingDeletion", "key-3": ABSENT}
    assert observed.environment == "embedded/x"


def test_references_are_identities_as_from_any_reader() -> None:
    found = READER.observe(["key-1"]).objects["key-1"]
    assert isinstance(found, Present)
    assert found.attributes["instance"] == "kst-1"
