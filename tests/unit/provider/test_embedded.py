from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from kmsplan.engine.error import KeystoreError, KeystoreGoneError, KeystoreLockedError
from kmsplan.engine.service import Engine
from kmsplan.kms.error import ErrorFacts, KmsError
from kmsplan.kms.operation import CreateInstance, CreateKey
from kmsplan.provider.embedded import KEYSTORE, OFFER, EmbeddedProvider, EmbeddedReader
from kmsplan.provider.importing import Importing
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


def _unused(*_: Any) -> NoReturn:
    raise AssertionError("nothing is imported here")


@pytest.mark.parametrize(
    ("error", "retry", "in_doubt"),
    [
        (KeystoreLockedError("held"), False, False),
        (KeystoreGoneError("gone"), True, False),
        (KeystoreGoneError("gone at the commit", in_doubt=True), False, True),
        (KeystoreError("the disk fails", in_doubt=True), False, True),
        (KeystoreError("refused"), False, False),
    ],
)
def test_what_the_keystore_does_not_take_is_done_or_not_as_the_keystore_says(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, error: KeystoreError, *, retry: bool, in_doubt: bool
) -> None:
    engine = lab.open()

    def fail(*_: Any) -> None:
        raise error

    monkeypatch.setattr(Engine, "execute", fail)
    provider = EmbeddedProvider(engine, lab.open, Importing(_unused, _unused))
    with pytest.raises(KmsError) as raised:
        provider.execute(CreateInstance(type="software", spec=1000, key_quota=10))
    assert (raised.value.code, raised.value.message) == (KEYSTORE, str(error))
    assert raised.value.facts == ErrorFacts(
        0, str(error), retry=retry, in_doubt=in_doubt, late=in_doubt, unreachable=True
    )
