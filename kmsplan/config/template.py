"""References in text: `${var.NAME}`, `${each.key}`, `${each.value}`, `${each.value.FIELD}`; `$${` is a literal `${`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from kmsplan.config.document import HOLE, Hole
from kmsplan.config.problems import Gap, near
from kmsplan.kms.wording import shown

if TYPE_CHECKING:
    from collections.abc import Mapping

VARIABLE_NAME: Final = r"[A-Za-z_][A-Za-z0-9_-]{0,63}"
_PART: Final = re.compile(r"\$\$\{|\$\{([^{}]*)\}|\$\{")
_REFERENCE: Final = re.compile(rf"(?P<var>var)\.({VARIABLE_NAME})|(?P<each>each)\.(key|value)(?:\.([A-Za-z0-9_-]+))?")
_FORMS: Final = "${var.NAME}, ${each.key}, ${each.value} and ${each.value.FIELD}"


@dataclass(frozen=True, slots=True)
class Reference:
    """One `${...}`."""

    text: str
    source: str
    """var or each."""
    name: str
    field: str | None


class TemplateError(Exception):
    """A reference that cannot be filled in: the problem's code and detail."""

    def __init__(self, code: str, detail: str, until: Gap | None = None) -> None:
        self.code = code
        self.detail = detail
        self.until = until
        super().__init__(detail)


@lru_cache(maxsize=4096)
def parse_template(text: str) -> tuple[str | Reference, ...]:
    """Return literal parts and references, in order.

    Raises:
        TemplateError: a `${` without `}`, or with something else inside than a reference.
    """
    parts: list[str | Reference] = []
    end = 0
    for found in _PART.finditer(text):
        parts.append(text[end : found.start()])
        parts.append("${" if found[0] == "$${" else _reference(found))
        end = found.end()
    parts.append(text[end:])
    return tuple(part for part in parts if part != "")


def _reference(found: re.Match[str]) -> Reference:
    inner = _REFERENCE.fullmatch(found[1] or "")
    if inner is None or (inner["each"] and inner[4] == "key" and inner[5]):
        what = found[0] if found[1] is not None else "A `${` without its `}`"
        detail = f"{what} is no reference. References are {_FORMS}; a literal ${{ is written $${{."
        raise TemplateError("K305", detail)
    if inner["var"]:
        return Reference(found[0], "var", inner[2], None)
    return Reference(found[0], "each", inner[4], inner[5])


@dataclass(frozen=True, slots=True)
class Scope:
    """What references mean at one place."""

    variables: Mapping[str, Any]
    """A variable without a usable value is a hole."""
    each: tuple[str, Any] | None = None
    """Inside for_each: key and value of the element."""

    def fill(self, text: str) -> Any:
        """Return `text` with its references filled in; text that is one reference becomes the value, of any type.

        Raises:
            TemplateError: a reference is malformed, unknown here, or a list or mapping within other text.
        """
        parts = parse_template(text)
        if len(parts) == 1 and isinstance(parts[0], Reference):
            return self._value(parts[0])
        texts = [part if isinstance(part, str) else self._text(part) for part in parts]
        return HOLE if HOLE in texts else "".join(str(part) for part in texts)

    def _value(self, reference: Reference) -> Any:
        return self._variable(reference) if reference.source == "var" else self._element(reference)

    def _variable(self, reference: Reference) -> Any:
        if reference.name not in self.variables:
            detail = f"No variable {reference.name!r} is declared.{near(reference.name, self.variables)}"
            raise TemplateError("K302", f"{detail} Variables are declared under `variables`.", Gap.TEXT)
        return self.variables[reference.name]

    def _element(self, reference: Reference) -> Any:
        if self.each is None:
            detail = f"{reference.text} has a value only inside a key with `for_each`."
            raise TemplateError("K306", detail)
        key, value = self.each
        if reference.name == "key":
            return key
        if reference.field is None:
            return value
        if not isinstance(value, dict) or reference.field not in value:
            fields = near(reference.field, value) if isinstance(value, dict) else f" It is {shown(value)}."
            raise TemplateError("K306", f"The element {key!r} has no field {reference.field!r}.{fields}")
        return value[reference.field]

    def _text(self, reference: Reference) -> str | Hole:
        value = self._value(reference)
        if isinstance(value, Hole | str):
            return value
        if value is None or isinstance(value, dict | list):
            detail = f"{reference.text} is {shown(value)}, which cannot stand within text."
            raise TemplateError("K306", f"{detail} Alone, as the whole value, it can.")
        return str(value).lower() if isinstance(value, bool) else str(value)
