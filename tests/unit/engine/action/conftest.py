from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kmsplan.engine.keystore import instance as instances
from kmsplan.engine.keystore import key as keys
from kmsplan.engine.keystore.instance import CONNECTED, InstanceRow
from kmsplan.kms.error import KmsError
from kmsplan.kms.operation import CreateKey
from kmsplan.kms.spec import KeyType
from tests.engines import new_instance, new_key

if TYPE_CHECKING:
    from collections.abc import Callable

    from kmsplan.engine.keystore.transaction import Transaction
    from kmsplan.engine.service import Engine
    from kmsplan.kms.operation import Operation

EXTERNAL_INSTANCE = "kst-external0000000000000"


@pytest.fixture
def refusal(engine: Engine) -> Callable[[Operation], KmsError]:
    """Carries out an operation that must be refused; returns the error."""

    def refused(operation: Operation) -> KmsError:
        with pytest.raises(KmsError) as caught:
            engine.execute(operation)
        return caught.value

    return refused


@pytest.fixture
def default_cmk(engine: Engine) -> str:
    """The default CMK, enabled."""
    made = engine.execute(CreateKey(spec="Aliyun_AES_256", usage="ENCRYPT/DECRYPT", origin="Aliyun_KMS"))
    assert made
    return made


@pytest.fixture
def key_of(engine: Engine) -> Callable[[KeyType], str]:
    """Makes a symmetric key of a type. An external one is there without its key manager, which nothing here asks."""

    def make(key_type: KeyType) -> str:
        if key_type is KeyType.DEFAULT_CMK:
            return str(engine.execute(CreateKey(spec="Aliyun_AES_256", usage="ENCRYPT/DECRYPT", origin="Aliyun_KMS")))
        if key_type is KeyType.SERVICE_KEY:
            return engine.service_keys.make("oss")
        if key_type is KeyType.EXTERNAL:
            return _external(engine)
        return new_key(engine, new_instance(engine, key_type.value))

    return make


def _external(engine: Engine) -> str:
    pattern = new_key(engine, new_instance(engine))

    def plant(transaction: Transaction) -> None:
        db = transaction.db
        home = InstanceRow(
            instance_id=EXTERNAL_INSTANCE,
            type=KeyType.EXTERNAL.value,
            spec=1000,
            key_quota=1000,
            module=None,
            token=None,
            deletion_protection=0,
            status=CONNECTED,
            versions=0,
        )
        instances.insert(db, home, "2026-01-01T00:00:00Z")
        row = keys.load(db, pattern)
        assert row is not None
        external = row._replace(
            key_id="key-external0000000000000", instance_id=EXTERNAL_INSTANCE, external_key_id="theirs"
        )
        keys.insert(db, external)

    engine._core.store.write(plant)
    return "key-external0000000000000"
