"""An SM2 ciphertext has one form: what OpenSSL would read as the same is refused."""

from __future__ import annotations

import pytest

from kmsplan.engine.protection.protocol import InvalidCiphertextError
from kmsplan.engine.sm import sm2
from kmsplan.engine.sm.encoding import is_ciphertext

PRIME = int("FFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF00000000FFFFFFFFFFFFFFFF", 16)


def _tagged(tag: int, content: bytes, *, digits: int | None = None) -> bytes:
    """Return an element of DER, or of BER with a length of so many digits more than it needs."""
    length = len(content)
    if digits is None and length < 128:
        return bytes((tag, length)) + content
    digits = digits or (length.bit_length() + 7) // 8
    return bytes((tag, 128 + digits)) + length.to_bytes(digits, "big") + content


def _integer(number: int) -> bytes:
    return _tagged(2, number.to_bytes(number.bit_length() // 8 + 1, "big"))


def _ciphertext(x: bytes, y: bytes, rest: bytes) -> bytes:
    return _tagged(0x30, x + y + rest)


class Parts:
    """The parts of a ciphertext, to be put together otherwise."""

    def __init__(self, sealed: bytes) -> None:
        self.sealed = sealed
        head = 2 if sealed[1] < 128 else 2 + sealed[1] - 128
        self.body = sealed[head:]
        x_end = 2 + self.body[1]
        y_end = x_end + 2 + self.body[x_end + 1]
        self.x = int.from_bytes(self.body[2:x_end], "big")
        self.y = int.from_bytes(self.body[x_end + 2 : y_end], "big")
        self.digest, self.text = self.body[y_end + 2 : y_end + 34], self.body[y_end + 36 :]

    @property
    def rest(self) -> bytes:
        return _tagged(4, self.digest) + _tagged(4, self.text)


@pytest.fixture(scope="module")
def key() -> sm2.PrivateKey:
    if not sm2.supported():
        pytest.skip("no SM2 on this host")
    return sm2.generate()


@pytest.fixture(scope="module")
def parts(key: sm2.PrivateKey) -> Parts:
    return Parts(sm2.PublicKey(key.public_der()).encrypt(b"page"))


def test_what_openssl_makes_has_the_one_form(key: sm2.PrivateKey) -> None:
    public = sm2.PublicKey(key.public_der())
    for size in (*range(1, 200), 255, 256, 6047):
        sealed = public.encrypt(bytes(size))
        assert is_ciphertext(sealed)
        assert key.decrypt(sealed) == bytes(size)


def test_other_forms_of_a_ciphertext_do_not_open(key: sm2.PrivateKey, parts: Parts) -> None:
    x, y, rest = _integer(parts.x), _integer(parts.y), parts.rest
    assert _ciphertext(x, y, rest) == parts.sealed
    forms = {
        "long length": _tagged(0x30, parts.body, digits=2),
        "longer length": _tagged(0x30, parts.body, digits=3),
        "no length": b"\x30\x80" + parts.body + b"\0\0",
        "longer integer": _ciphertext(_tagged(2, b"\0" + x[2:]), y, rest),
        "long length of an integer": _ciphertext(x, _tagged(2, y[2:], digits=1), rest),
        "long length of the text": _ciphertext(x, y, _tagged(4, parts.digest) + _tagged(4, parts.text, digits=1)),
        "x beyond the prime": _ciphertext(_integer(parts.x + PRIME), y, rest),
        "y beyond the prime": _ciphertext(x, _integer(parts.y + PRIME), rest),
        "negative x": _ciphertext(_tagged(2, (parts.x - 2**256).to_bytes(33, "big", signed=True)), y, rest),
        "one more element": _ciphertext(x, y, rest + b"\x05\0"),
        "something behind": parts.sealed + b"\0",
        "a text in parts": _ciphertext(x, y, _tagged(4, parts.digest) + _tagged(0x24, _tagged(4, parts.text))),
    }
    for name, form in forms.items():
        assert not is_ciphertext(form), name
        with pytest.raises(InvalidCiphertextError):
            key.decrypt(form)
    assert key.decrypt(parts.sealed) == b"page"


def test_another_point_another_hash_or_no_text_do_not_open(key: sm2.PrivateKey, parts: Parts) -> None:
    x, y = _integer(parts.x), _integer(parts.y)
    for wrong in (
        _ciphertext(x, _integer(PRIME - parts.y), parts.rest),
        _ciphertext(_integer(0), _integer(0), parts.rest),
        _ciphertext(_integer(1), _integer(1), parts.rest),
        _ciphertext(x, y, _tagged(4, bytes(32)) + _tagged(4, parts.text)),
        _ciphertext(x, y, _tagged(4, parts.digest[:31]) + _tagged(4, parts.text)),
        _ciphertext(x, y, _tagged(4, parts.digest) + _tagged(4, b"")),
        _ciphertext(x, y, _tagged(4, parts.digest)),
        b"",
        b"\x30",
        b"\x30\0",
    ):
        with pytest.raises(InvalidCiphertextError):
            key.decrypt(wrong)
