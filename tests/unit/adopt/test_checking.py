"""What the loader or the planner objects to is told by identity."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from kmsplan.adopt.checking import changed, unreadable
from kmsplan.adopt.files import files
from kmsplan.adopt.inventory import Inventory, Wanted, take
from kmsplan.config.diagnostic import Diagnostic
from kmsplan.config.load import load
from kmsplan.provider.embedded import OFFER
from kmsplan.resource.value import Observed, Present

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 1, 1, tzinfo=UTC)
INSTANCE = Present(
    kind="instance",
    identity="kst-1",
    attributes={"type": "software", "spec": 1000, "key_quota": 1000, "tags": {}, "deletion_protection": True},
)
KEY = Present(
    kind="key",
    identity="key-1",
    attributes={"instance": "kst-1", "spec": "Aliyun_AES_256", "usage": "ENCRYPT/DECRYPT", "tags": {}},
)
ALIAS = Present(kind="alias", identity="alias/orders", attributes={"key": "key-1"})
OBSERVED = Observed(environment="kms/1", objects={}, others=(INSTANCE, KEY, ALIAS))


def problems(tmp_path: Path, inventory: Inventory, observed: Observed = OBSERVED) -> dict[str, str]:
    for name, text in files(inventory, {"embedded": {"path": "/engine"}}).items():
        (tmp_path / name).write_text(text)
    configuration = load(tmp_path, variables={}, variable_files=(), environ={})
    return changed(configuration, inventory, observed, OFFER, NOW)


def test_nothing_is_said_of_what_is_adopted_as_it_is(tmp_path: Path) -> None:
    assert problems(tmp_path, take(OBSERVED, Wanted())) == {}


def test_what_would_change_is_told(tmp_path: Path) -> None:
    tagged = replace(KEY, attributes={**KEY.attributes, "tags": {"a": "b"}})
    observed = replace(OBSERVED, others=(INSTANCE, tagged, ALIAS))
    found = problems(tmp_path, take(OBSERVED, Wanted()), observed)
    assert found == {"key-1": "a plan would not just adopt it: tags would change"}


def test_what_would_be_made_is_told_and_aliases_by_their_own_name(tmp_path: Path) -> None:
    found = problems(tmp_path, take(OBSERVED, Wanted()), replace(OBSERVED, others=(INSTANCE, KEY)))
    assert found == {"alias/orders": "a plan would not just adopt it: it would create it"}


def test_what_the_loader_refuses_is_told_where_it_says_whose_fault_it_is() -> None:
    inventory = take(OBSERVED, Wanted())
    refused = Diagnostic(code="K416", summary="Malformed key policy", detail="No.", address="key.orders")
    nobodys = Diagnostic(code="K101", summary="No configuration here", detail="No.")
    assert unreadable((refused, nobodys), inventory) == {
        "key-1": "no configuration can declare it as it is (K416): No."
    }
