"""The functions of OpenSSL 3's libcrypto that SM2 needs (EVP_PKEY-SM2(7)); calls release the GIL."""

from __future__ import annotations

import ctypes
import ctypes.util
from functools import cache
from typing import Any, Final

from kmsplan.engine.protection.protocol import NotOfferedError

_SONAME: Final = "libcrypto.so.3"
_MAJOR: Final = 3

_p = ctypes.c_void_p
_int = ctypes.c_int
_long = ctypes.c_long
_size = ctypes.c_size_t
_bytes = ctypes.c_char_p
_size_p = ctypes.POINTER(ctypes.c_size_t)

# Function: (result type, argument types).
_FUNCTIONS: Final[dict[str, tuple[Any, tuple[Any, ...]]]] = {
    "EVP_PKEY_CTX_new_from_name": (_p, (_p, _bytes, _bytes)),
    "EVP_PKEY_CTX_new_from_pkey": (_p, (_p, _p, _bytes)),
    "EVP_PKEY_CTX_free": (None, (_p,)),
    "EVP_PKEY_keygen_init": (_int, (_p,)),
    "EVP_PKEY_generate": (_int, (_p, ctypes.POINTER(_p))),
    "EVP_PKEY_sign_init": (_int, (_p,)),
    "EVP_PKEY_sign": (_int, (_p, _p, _size_p, _bytes, _size)),
    "EVP_PKEY_verify_init": (_int, (_p,)),
    "EVP_PKEY_verify": (_int, (_p, _bytes, _size, _bytes, _size)),
    "EVP_PKEY_encrypt_init": (_int, (_p,)),
    "EVP_PKEY_encrypt": (_int, (_p, _p, _size_p, _bytes, _size)),
    "EVP_PKEY_decrypt_init": (_int, (_p,)),
    "EVP_PKEY_decrypt": (_int, (_p, _p, _size_p, _bytes, _size)),
    "EVP_PKEY_is_a": (_int, (_p, _bytes)),
    "EVP_PKEY_private_check": (_int, (_p,)),
    "EVP_PKEY_public_check_quick": (_int, (_p,)),
    "EVP_PKEY_free": (None, (_p,)),
    "EVP_PKEY2PKCS8": (_p, (_p,)),
    "PKCS8_PRIV_KEY_INFO_free": (None, (_p,)),
    "i2d_PKCS8_PRIV_KEY_INFO": (_int, (_p, ctypes.POINTER(_p))),
    "i2d_PUBKEY": (_int, (_p, ctypes.POINTER(_p))),
    "d2i_PUBKEY": (_p, (_p, ctypes.POINTER(_p), _long)),
    "d2i_AutoPrivateKey": (_p, (_p, ctypes.POINTER(_p), _long)),
    "ERR_clear_error": (None, ()),
}


@cache
def functions() -> dict[str, Any]:
    """Load the library and return its functions by name.

    Raises:
        NotOfferedError: there is no OpenSSL 3 on this host.
    """
    for name in (_SONAME, ctypes.util.find_library("crypto")):
        try:
            library = ctypes.CDLL(name) if name else None
        except OSError:
            continue
        if library is not None and hasattr(library, "OPENSSL_version_major"):
            if library.OPENSSL_version_major() < _MAJOR:
                continue
            return {function: _bound(library, function) for function in _FUNCTIONS}
    raise unsupported("it has no libcrypto of OpenSSL 3")


def unsupported(reason: str) -> NotOfferedError:
    """Return the error that says that SM2 does not work on this host."""
    return NotOfferedError(f"SM2 is not supported on this host: {reason}. Install OpenSSL 3 (libssl3) built with SM2")


def _bound(library: ctypes.CDLL, name: str) -> Any:
    function = getattr(library, name)
    function.restype, function.argtypes = _FUNCTIONS[name]
    return function
