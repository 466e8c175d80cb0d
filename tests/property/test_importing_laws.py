"""Import tokens and wrapped material, changed in any way: refused with the API's codes, and the key as it was."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kmsplan.engine import wrapping
from kmsplan.kms.error import KmsError
from kmsplan.kms.secret import SecretBytes
from kmsplan.kms.spec import KeySpec
from tests.byok import OAEP, PAIR_WRAPPING, RSA, material_for, waiting
from tests.engines import Lab, described, new_instance

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from kmsplan.engine.service import Engine


class Ready(NamedTuple):
    """A key that waits, and what would give it its material."""

    engine: Engine
    key: str
    public_key: bytes
    wrapped: bytes
    token: bytes

    def code(self, wrapped: bytes, token: bytes, expires: int | None = None) -> str:
        with pytest.raises(KmsError) as caught:
            self.engine.import_material(self.key, wrapped, token, expires)
        return caught.value.code


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Ready]]:
    folder: Path = tmp_path_factory.mktemp("byok")
    lab = Lab(folder / "engine")
    lab.create()
    engine = lab.open()
    instance = new_instance(engine)
    yield {
        "symmetric": _ready(engine, instance, KeySpec.AES_256, OAEP),
        "pair": _ready(engine, instance, KeySpec.EC_P256, PAIR_WRAPPING),
    }
    lab.close()


def _ready(engine: Engine, instance: str, spec: KeySpec, algorithm: str) -> Ready:
    key = waiting(engine, instance, spec)
    parameters = engine.parameters_for_import(key, algorithm, RSA)
    wrapped = wrapping.wrap(algorithm, parameters.public_key, material_for(spec))
    return Ready(engine, key, parameters.public_key, wrapped, parameters.token)


def _flipped(content: bytes, at: int, bit: int) -> bytes:
    at %= len(content)
    return content[:at] + bytes([content[at] ^ (1 << bit)]) + content[at + 1 :]


@pytest.mark.parametrize("kind", ["symmetric", "pair"])
def test_every_changed_byte_of_wrapped_material_is_refused(ready: dict[str, Ready], kind: str) -> None:
    one = ready[kind]
    for at in range(len(one.wrapped)):
        assert one.code(_flipped(one.wrapped, at, at % 8), one.token) == "InvalidKeyMaterial", at
    assert described(one.engine, one.key)["state"] == "PendingImport"


def test_every_changed_byte_of_a_token_is_refused(ready: dict[str, Ready]) -> None:
    one = ready["symmetric"]
    for at in range(len(one.token)):
        assert one.code(one.wrapped, _flipped(one.token, at, at % 8)) == "InvalidImportToken", at


@given(wrapped=st.binary(max_size=600))
@example(wrapped=b"")
def test_no_bytes_are_material(ready: dict[str, Ready], wrapped: bytes) -> None:
    for one in ready.values():
        assert one.code(wrapped, one.token) == "InvalidKeyMaterial"


@given(token=st.binary(max_size=400))
@example(token=b"")
@example(token=bytes(5000))
def test_no_bytes_are_a_token(ready: dict[str, Ready], token: bytes) -> None:
    one = ready["pair"]
    assert one.code(one.wrapped, token) == "InvalidImportToken"


@given(cut=st.integers(0, 255), tail=st.binary(max_size=40))
def test_cut_and_lengthened_material_is_refused(ready: dict[str, Ready], cut: int, tail: bytes) -> None:
    one = ready["symmetric"]
    assert one.code(one.wrapped[:cut] + tail[: 255 - cut], one.token) == "InvalidKeyMaterial"
    assert one.code(one.wrapped + b"\0" + tail, one.token) == "InvalidKeyMaterial"


@given(size=st.integers(0, 190).filter(lambda size: size != 32))
def test_well_wrapped_material_of_another_length_is_refused(ready: dict[str, Ready], size: int) -> None:
    one = ready["symmetric"]
    wrapped = wrapping.wrap(OAEP, one.public_key, SecretBytes(os.urandom(size)))
    assert one.code(wrapped, one.token) == "InvalidKeyMaterial"


BAD_DATES = st.integers(max_value=-1) | st.integers(min_value=253_402_300_800) | st.integers(1, 1_767_225_600)


@given(expires=BAD_DATES)
def test_no_date_that_has_passed_or_cannot_be_is_taken(ready: dict[str, Ready], expires: int) -> None:
    one = ready["symmetric"]
    assert one.code(one.wrapped, one.token, expires) == "InvalidParameter"
