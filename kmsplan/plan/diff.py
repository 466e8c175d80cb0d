"""The one difference function, for drift (recorded, observed), changes (observed, desired) and imports."""

from __future__ import annotations

from operator import itemgetter
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from kmsplan.resource.attribute import Mutability
from kmsplan.resource.kinds import KINDS, REFERENCES

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Mapping

    from kmsplan.resource.attribute import Attributes, Kind

_COMPARED: Final[Mapping[str, Callable[[Any], Any]]] = MappingProxyType(
    {kind.name: itemgetter(*kind.compared) for kind in KINDS.values()}
)
"""By kind: all that the KMS holds of an object, to compare at the speed of C; KeyError where something is missing."""

_VALUES: Final[Mapping[str, Callable[[Any], Any]]] = MappingProxyType(
    {
        kind.name: itemgetter(*names)
        if (names := tuple(name for name in kind.compared if name not in REFERENCES[kind.name]))
        else lambda _: None
        for kind in KINDS.values()
    }
)
"""The same, references apart."""

SETTINGS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        kind.name: tuple(
            attribute.name
            for attribute in kind.attributes
            if attribute.recorded and attribute.mutability is Mutability.SETTING
        )
        for kind in KINDS.values()
    }
)
"""By kind: the rules for kmsplan itself, which are recorded and never sent."""

_UNKNOWN: Final = object()


def differences(kind: Kind, before: Attributes, after: Attributes) -> tuple[str, ...]:
    """Return the names that differ among what the KMS holds, in table order.

    What one side does not say is not known to differ: an attribute that could not be read counts as unchanged.
    """
    values = _COMPARED[kind.name]
    try:
        if values(before) == values(after):
            return ()
    except KeyError:
        pass  # one side lacks an attribute: only the slow way knows which, and that lacking is not differing
    return _differing(kind.compared, before, after)


def comparison(kind: Kind, addresses: Mapping[str, str]) -> Callable[[Attributes, Attributes], bool]:
    """Return the fast test whether observed attributes, with identities in them, equal others, with addresses.

    True is sure; False may only mean that something was not said.
    """
    values, references = _VALUES[kind.name], REFERENCES[kind.name]

    def same(observed: Attributes, other: Attributes) -> bool:
        try:
            for name in references:
                value = observed[name]
                if addresses.get(value, value) != other[name]:
                    return False
            return bool(values(observed) == values(other))
        except KeyError:
            return False

    return same


def setting_differences(kind: Kind, before: Attributes, after: Attributes) -> tuple[str, ...]:
    """Return the names of kmsplan's own settings that differ."""
    return _differing(SETTINGS[kind.name], before, after)


def learned(kind: Kind, recorded: Attributes, observed: Attributes, except_for: Container[str] = ()) -> dict[str, Any]:
    """Return what the record takes over from the KMS where no operation will change it: accepted drift."""
    names = differences(kind, recorded, observed)
    return {name: observed[name] for name in names if name not in except_for}


def complete(kind: Kind, attributes: Attributes) -> dict[str, Any]:
    """Return the attributes with defaults for what is not said."""
    return {
        **{attribute.name: attribute.default for attribute in kind.attributes if attribute.recorded},
        **attributes,
    }


def _differing(names: tuple[str, ...], before: Attributes, after: Attributes) -> tuple[str, ...]:
    found = []
    for name in names:
        left, right = before.get(name, _UNKNOWN), after.get(name, _UNKNOWN)
        if left is not _UNKNOWN and right is not _UNKNOWN and left != right:
            found.append(name)
    return tuple(found)
