from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kmsplan.kms.operation import CreateKey
from kmsplan.provider.embedded import OFFER, EmbeddedReader
from kmsplan.resource.kinds import KINDS
from kmsplan.resource.value import Present, Unreadable
from tests.engines import Lab, new_instance, new_key

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OLD = "86a9efd9-3d16-4894-bd4f-1fc43f3f2abf"


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    place = Lab(tmp_path / "engine")
    place.create()
    yield place
    place.close()


def test_every_kind_is_offered() -> None:
    assert set(KINDS) == OFFER.kinds


def test_every_key_is_observed_as_its_kind_with_the_attributes_of_that(lab: Lab) -> None:
    engine = lab.open()
    made = {
        new_key(engine, new_instance(engine)): "key",
        str(
            engine.execute(CreateKey(spec="Aliyun_AES_256", usage="ENCRYPT/DECRYPT", origin="Aliyun_KMS"))
        ): "default_key",
        engine.service_keys.make("oss"): "service_key",
        engine.service_keys.register(OLD): "service_key",
    }
    observed = EmbeddedReader(engine).observe(made)
    for identity, kind in made.items():
        present = observed.objects[identity]
        assert isinstance(present, Present)
        assert (present.kind, set(KINDS[kind].compared) - set(present.attributes)) == (kind, set())
        assert {**present.computed, **present.attributes}["spec"] == "Aliyun_AES_256"
    assert {present.kind for present in observed.others} == {"instance", "alias"}
    migrated = {
        identity for identity, found in observed.objects.items() if isinstance(found, Present) and found.migrated
    }
    assert migrated == {OLD}


def test_a_key_that_nobody_asked_for_and_that_cannot_be_read_is_told_all_the_same(lab: Lab) -> None:
    engine = lab.open()
    key = new_key(engine, new_instance(engine, "hardware"))
    lab.hsm.away = True
    observed = EmbeddedReader(engine).observe(())
    assert observed.objects == {key: Unreadable("Rejected.Unavailable", "the token does not answer")}
    assert key not in {present.identity for present in observed.others}
