from __future__ import annotations

import json

from kmsplan.report.state_json import state_json
from kmsplan.report.state_text import state_text
from kmsplan.report.style import Style
from kmsplan.resource.address import Address
from kmsplan.resource.step import Effect, Status
from kmsplan.state.record import NO_STATE, Pending, Record, Recorded

ORDERS = Address("key.orders")
RECORD = Record(
    address=ORDERS,
    identity="key-1",
    attributes={"rotation": 7_776_000, "tags": {"a\x1b": "1"}, "instance": "instance.core", "policy": None},
    status=Status.PENDING_DELETION,
)
PENDING = Pending(
    sequence=1, address=ORDERS, operation="DisableKey", parameters={}, token=None, identity="key-1", effect=Effect()
)
STATE = Recorded(lineage="L", serial=7, environment="embedded/e1", records={ORDERS: RECORD}, pending=(PENDING,))


def test_records_read_as_blocks() -> None:
    assert state_text(STATE, Style()) == (
        "# lineage L, serial 7, embedded/e1\n"
        "\n"
        "# key.orders: (pending deletion)\n"
        'key "orders" {\n'
        '    identity = "key-1"\n'
        "    instance = instance.core\n"
        "    rotation = 90d\n"
        "    tags     = {\n"
        '        "a\\x1b" = "1"\n'
        "    }\n"
        "}\n"
        "\n"
        "# interrupted: DisableKey of key.orders; the next apply settles it\n"
    )


def test_no_state_says_so() -> None:
    assert "no state yet" in state_text(NO_STATE, Style())


def test_the_document_has_every_record() -> None:
    document = json.loads(state_json(STATE))
    assert (document["lineage"], document["serial"]) == ("L", 7)
    (found,) = document["resources"]
    assert (found["address"], found["type"], found["status"]) == ("key.orders", "key", "pending_deletion")
    assert found["attributes"]["rotation"] == 7_776_000
    assert document["interrupted"] == [{"address": "key.orders", "operation": "DisableKey", "identity": "key-1"}]
