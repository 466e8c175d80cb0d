from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, cast

import pytest

from kmsplan.engine.access.known import AccessKey
from kmsplan.engine.access.role import Role
from kmsplan.kms.error import KmsError
from kmsplan.kms.secret import SecretBytes
from kmsplan.server.known import MOMENT, Known

if TYPE_CHECKING:
    from kmsplan.engine.service import Engine


class _Engine:
    """Knows one access key; counts what it is asked and told."""

    def __init__(self) -> None:
        self.asked = 0
        self.told: list[str] = []
        self.key: AccessKey | None = AccessKey(
            access_key_id="LTAIone",
            account="1",
            user="root",
            role=Role.USER,
            active=True,
            expires=None,
            secret=SecretBytes(b"secret"),
            generation=1,
        )

    def access_key(self, access_key_id: str) -> AccessKey | None:
        self.asked += 1
        return self.key if access_key_id == "LTAIone" else None

    def note_use(self, access_key_id: str) -> None:
        self.told.append(access_key_id)


class _Lab:
    def __init__(self) -> None:
        self.now = 0.0
        self.engine = _Engine()
        self.known = Known(cast("Engine", self.engine), lambda: self.now)


@pytest.fixture
def lab() -> _Lab:
    return _Lab()


def test_an_access_key_is_asked_for_once_a_moment_unless_it_has_to_be_as_it_is_now(lab: _Lab) -> None:
    first = lab.known.get("LTAIone", fresh=False)
    assert lab.known.get("LTAIone", fresh=False) is first
    lab.known.get("LTAIone", fresh=True)
    assert lab.engine.asked == 2
    lab.now = MOMENT
    lab.known.get("LTAIone", fresh=False)
    assert lab.engine.asked == 3


def test_a_secret_is_made_ready_once_and_again_when_it_is_another(lab: _Lab) -> None:
    first, second = (lab.known.get("LTAIone", fresh=True).secret for _ in range(2))
    assert lab.engine.key is not None
    lab.engine.key = replace(lab.engine.key, secret=SecretBytes(b"another"))
    third = lab.known.get("LTAIone", fresh=True).secret
    assert first is second
    assert third.third(b"digest") != first.third(b"digest")


def test_a_key_that_is_gone_is_forgotten_at_the_next_asking_and_asked_for_each_time(lab: _Lab) -> None:
    lab.known.get("LTAIone", fresh=False)
    lab.engine.key = None
    for fresh in (True, False):
        with pytest.raises(KmsError) as refused:
            lab.known.get("LTAIone", fresh=fresh)
        assert refused.value.code == "InvalidAccessKeyId.NotFound"
    assert lab.engine.asked == 3


def test_a_use_is_told_once_for_each_time_that_the_key_was_asked_for(lab: _Lab) -> None:
    for _ in range(3):
        lab.known.used(lab.known.get("LTAIone", fresh=False))
    assert lab.engine.told == ["LTAIone"]
    lab.now = MOMENT
    lab.known.used(lab.known.get("LTAIone", fresh=False))
    assert lab.engine.told == ["LTAIone"] * 2
