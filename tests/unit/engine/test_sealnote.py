"""A key that an HSM is to make for a seal is noted before, so that an interruption leaves none that nobody takes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from kmsplan.engine import sealnote
from kmsplan.engine.hsmseal import HsmSeal
from kmsplan.engine.sealing import FileSeal
from tests.engines import FakeHsm, Lab

if TYPE_CHECKING:
    from pathlib import Path

    from kmsplan.engine.sealing import Entropy

PLACE = {"module": "fake.so", "token": "vault"}


class _KilledError(BaseException):
    """Stands for the end of the process."""


def seal(token: FakeHsm) -> HsmSeal:
    return HsmSeal(PLACE["module"], PLACE["token"], lambda: token)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def taken(folder: Path, entropy: Entropy = os.urandom, place: dict[str, str] | None = None) -> sealnote.Noted:
    with sealnote.noted(folder, place or PLACE, entropy) as found:
        return found


def test_a_noted_key_is_taken_again_until_the_note_goes(tmp_path: Path) -> None:
    first = taken(tmp_path)
    assert first.new
    assert taken(tmp_path) == (first.reference, False)
    sealnote.forget(tmp_path)
    assert names(tmp_path) == set()
    assert taken(tmp_path).reference != first.reference


@pytest.mark.parametrize("content", ["", '{"module": "fake.so", "tok', "[]", '{"reference": 1}', '{"reference": "00"}'])
def test_half_a_note_is_none_for_no_key_was_made_then(tmp_path: Path, content: str) -> None:
    (tmp_path / sealnote.FILE).write_text(content)
    assert taken(tmp_path).new
    assert not taken(tmp_path).new


def test_a_key_that_another_token_was_asked_for_is_not_taken(tmp_path: Path) -> None:
    first = taken(tmp_path)
    assert taken(tmp_path, place={**PLACE, "token": "another"}).reference != first.reference


def test_only_the_note_of_a_key_that_seals_the_engine_is_settled(tmp_path: Path) -> None:
    sealnote.settle(tmp_path, lambda: pytest.fail("nothing is noted"))
    reference = taken(tmp_path).reference
    sealnote.settle(tmp_path, lambda: None)
    sealnote.settle(tmp_path, lambda: b'{"kind": "file"}')
    assert names(tmp_path) == {sealnote.FILE}
    sealnote.settle(tmp_path, lambda: reference.hex().encode())
    assert names(tmp_path) == set()


@pytest.fixture
def token() -> FakeHsm:
    return FakeHsm()


def test_an_engine_whose_making_dies_leaves_one_key_which_the_next_making_takes(tmp_path: Path, token: FakeHsm) -> None:
    token.dies_after_making = True
    lab = Lab(tmp_path / "engine", seal=seal(token))
    with pytest.raises(Exception, match="the connection to the token broke"):
        lab.create()
    token.dies_after_making = token.away = False
    (left,) = token.material
    lab.create()
    assert list(token.material) == [left]
    assert sealnote.FILE not in names(lab.folder)


def test_a_new_root_key_that_came_to_nothing_leaves_its_key_to_the_next_one(
    lab: Lab, token: FakeHsm, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = lab.open()

    def die(*_: object, **__: object) -> None:
        raise _KilledError

    with monkeypatch.context() as patched:
        patched.setattr("kmsplan.engine.rotation.commit", die)
        with pytest.raises(_KilledError):
            engine.keeping.rotate_root(seal(token))
    (left,) = token.material
    engine.keeping.rotate_root(seal(token))
    assert list(token.material) == [left]
    engine.close()
    assert not lab.open(seal=seal(token)).sealed


def test_another_seal_does_not_make_a_key_forgotten_that_came_to_nothing(
    lab: Lab, token: FakeHsm, tmp_path: Path
) -> None:
    engine = lab.open()
    token.dies_after_making = True
    with pytest.raises(Exception, match="the connection to the token broke"):
        engine.keeping.rotate_root(seal(token))
    token.dies_after_making = token.away = False
    engine.keeping.rotate_root(FileSeal(tmp_path / "new.key"))
    (left,) = token.material
    engine.keeping.rotate_root(seal(token))
    assert list(token.material) == [left]


def test_a_key_that_seals_the_engine_is_not_taken_for_the_next_root_key(
    lab: Lab, token: FakeHsm, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(sealnote, "forget", lambda _: None)
        lab.open().keeping.rotate_root(seal(token))
    lab.close()
    assert sealnote.FILE in names(lab.folder)
    engine = lab.open(seal=seal(token))
    assert sealnote.FILE not in names(lab.folder), "whoever opens the engine finds that it was done"
    engine.keeping.rotate_root()
    assert len(token.material) == 2, "older backups need the first one"


def test_a_note_that_cannot_be_written_says_so_and_no_key_is_made(lab: Lab, token: FakeHsm) -> None:
    engine = lab.open()
    (lab.folder / sealnote.FILE).mkdir()
    with pytest.raises(Exception, match=r"it cannot be noted in .* which key the token 'vault' is to make"):
        engine.keeping.rotate_root(seal(token))
    assert token.material == {}


def test_a_seal_that_is_no_hsms_notes_nothing(lab: Lab, tmp_path: Path) -> None:
    lab.open().keeping.rotate_root(FileSeal(tmp_path / "new.key"))
    assert sealnote.FILE not in names(lab.folder)
