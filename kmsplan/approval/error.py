"""What is wrong with signatures and the keys that make them."""

from __future__ import annotations


class SignatureFileError(Exception):
    """A signature file that cannot be used: damaged or edited."""


class SigningKeyError(Exception):
    """A key that cannot sign plans, or a key file that must not be used."""
