"""Keys that are unwrapped into session objects: how many, for how long, and that none stays that gave way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from kmsplan.engine.hsm import loaded
from kmsplan.engine.hsm.index import Index
from kmsplan.engine.hsm.loaded import LIFETIME, LIMIT, Loaded
from kmsplan.engine.hsm.message import Fault, TokenFaultError

if TYPE_CHECKING:
    from collections.abc import Iterable


class _Library:
    """A module that remembers what was destroyed in it."""

    def __init__(self) -> None:
        self.destroyed: list[int] = []

    def destroy(self, login: object, handle: int) -> None:
        del login
        self.destroyed.append(handle)


class _Time:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> _Time:
    clock = _Time()
    monkeypatch.setattr(loaded, "monotonic", clock)
    return clock


@pytest.fixture
def library() -> _Library:
    return _Library()


@pytest.fixture
def keys(library: _Library, time: _Time) -> Loaded:
    del time
    module: Any = library
    return Loaded(module, module, Index(module, module))


def _put(keys: Loaded, numbers: Iterable[int]) -> None:
    for number in numbers:
        keys.put(str(number).encode(), number)


def _refused(keys: Loaded, reference: bytes, **options: Any) -> Fault:
    with pytest.raises(TokenFaultError) as caught:
        keys.handle(reference, **options)
    return caught.value.fault


def test_what_was_loaded_is_found_and_nothing_else(keys: Loaded) -> None:
    _put(keys, [1])
    assert keys.handle(b"1") == 1
    assert _refused(keys, b"2") is Fault.NOT_LOADED


def test_the_one_that_was_not_used_for_longest_gives_way(keys: Loaded, library: _Library) -> None:
    _put(keys, range(LIMIT))
    keys.handle(b"0")
    _put(keys, [LIMIT])
    assert library.destroyed == [1]
    assert keys.handle(b"0") == 0
    assert _refused(keys, b"1") is Fault.NOT_LOADED


def test_none_stays_longer_than_its_lifetime_however_much_it_is_used(
    keys: Loaded, library: _Library, time: _Time
) -> None:
    _put(keys, [1, 2])
    for time.now in (LIFETIME / 2, LIFETIME - 1):
        assert keys.handle(b"1") == 1
    time.now = LIFETIME
    assert _refused(keys, b"1") is Fault.NOT_LOADED
    assert library.destroyed == [1]
    _put(keys, [3])
    assert library.destroyed == [1, 2]
    assert keys.handle(b"3") == 3


def test_a_key_that_is_loaded_again_takes_its_own_place(keys: Loaded, library: _Library) -> None:
    keys.put(b"key", 1)
    keys.put(b"key", 2)
    assert (keys.handle(b"key"), library.destroyed) == (2, [1])


def test_a_handle_that_the_token_refused_is_not_offered_again(keys: Loaded) -> None:
    keys.put(b"key", 1)
    assert _refused(keys, b"key", refused=1) is Fault.NOT_LOADED
    keys.put(b"key", 2)
    assert keys.handle(b"key", refused=1) == 2
