"""GetRandomPassword."""

from __future__ import annotations

import string
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from kmsplan.engine.parameter import invalid

if TYPE_CHECKING:
    from collections.abc import Callable

    from kmsplan.engine.dataplane.call import Call

LENGTHS: Final = range(8, 129)
_CLASSES: Final = {
    "ExcludeLowercase": string.ascii_lowercase,
    "ExcludeUppercase": string.ascii_uppercase,
    "ExcludeNumbers": string.digits,
    "ExcludePunctuation": string.punctuation,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordRules:
    """What a password is made of."""

    length: int = 32
    exclude_characters: str = ""
    excluded: frozenset[str] = frozenset()
    """Of ExcludeLowercase, ExcludeUppercase, ExcludeNumbers, ExcludePunctuation."""
    require_each_included_type: bool = True


def generate(call: Call, rules: PasswordRules) -> str:
    """Make a password; every character is as likely as every other, but for the types that have to be in it."""
    classes = [
        "".join(sorted(set(characters) - set(rules.exclude_characters)))
        for name, characters in _CLASSES.items()
        if name not in rules.excluded
    ]
    classes = [characters for characters in classes if characters]
    if rules.length not in LENGTHS:
        raise invalid("PasswordLength", f"it is a whole number from {LENGTHS[0]} to {LENGTHS[-1]}")
    if not classes:
        raise invalid("ExcludeCharacters", "nothing is left to make a password of")
    choose = _chooser(call.core.world.entropy)
    while True:
        # Drawing again until every type is in it keeps all passwords that qualify equally likely.
        password = "".join(choose("".join(classes)) for _ in range(rules.length))
        if not rules.require_each_included_type or all(set(password) & set(characters) for characters in classes):
            return password


def _chooser(entropy: Callable[[int], bytes]) -> Callable[[str], str]:
    """Return what draws a character, each as likely as the others: bytes past the last whole multiple are dropped."""

    def choose(characters: str) -> str:
        limit = 256 - 256 % len(characters)
        while True:
            byte = entropy(1)[0]
            if byte < limit:
                return characters[byte % len(characters)]

    return choose
