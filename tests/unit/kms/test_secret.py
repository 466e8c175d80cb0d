from __future__ import annotations

import pickle

import pytest

from kmsplan.kms.secret import SecretBytes

SECRET = SecretBytes(b"correct horse")


def test_no_way_of_printing_shows_the_content() -> None:
    printed = f"{SECRET!r} {SECRET!s} {SECRET} {[SECRET]}"
    assert "horse" not in printed
    assert "redacted" in printed


def test_secrets_are_neither_compared_with_equals_nor_hashed_nor_pickled() -> None:
    with pytest.raises(TypeError, match="matches"):
        _ = SecretBytes(b"x") == SECRET
    with pytest.raises(TypeError):
        hash(SECRET)
    with pytest.raises(TypeError, match="pickled"):
        pickle.dumps(SECRET)


def test_matches_compares_contents() -> None:
    assert SECRET.matches(SecretBytes(b"correct horse"))
    assert not SECRET.matches(SecretBytes(b"wrong horse"))
    assert (SECRET.reveal(), len(SECRET)) == (b"correct horse", 13)
