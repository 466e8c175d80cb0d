"""An object's attributes as a block, Terraform's way: one line each, nested mappings indented."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from kmsplan.report.escape import escape, quote
from kmsplan.report.value_text import KNOWN_AFTER_APPLY, json_text, value_text
from kmsplan.resource.address import kind_of, name_of
from kmsplan.resource.attribute import Mutability
from kmsplan.resource.kinds import KINDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from kmsplan.report.style import Style
    from kmsplan.resource.address import Address

_MISSING: Final = object()


def head(address: Address) -> str:
    """Return `key "orders"`."""
    return f"{kind_of(address)} {quote(name_of(address))}"


def whole(
    kind: str, attributes: Mapping[str, Any], glyph: str, style: Style, unknown: Sequence[str] = ()
) -> Iterator[str]:
    """Yield every attribute that says something, as created (`+`), destroyed (`-`) or as it is (` `)."""
    said = {name: attributes[name] for name in saying(kind, attributes)}
    unsaid = [name for name in unknown if name not in said]
    size = max(map(len, (*said, *unsaid)), default=0)
    mark = _mark(glyph, style)
    for name in unsaid:
        yield f"{mark} {name:<{size}} = {KNOWN_AFTER_APPLY}"
    for name, value in said.items():
        if isinstance(value, Mapping):
            yield f"{mark} {name:<{size}} = {{"
            yield from (f"    {line}" for line in _items(value, mark))
            yield "  }"
        else:
            suffix = f" {KNOWN_AFTER_APPLY}" if name in unknown else ""
            yield f"{mark} {name:<{size}} = {value_text(kind, name, value)}{suffix}"


def saying(kind: str, attributes: Mapping[str, Any]) -> Iterator[str]:
    """Yield, in table order, the names that say something: no usual settings, nothing empty."""
    if attributes.get("identity"):
        yield "identity"
    for attribute in KINDS[kind].attributes:
        value = attributes.get(attribute.name)
        usual = attribute.mutability is Mutability.SETTING and value == attribute.default
        if value not in (None, "", {}, []) and not usual:
            yield attribute.name


def differing(
    kind: str,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    names: Iterable[str],
    style: Style,
    size: int,
    forces: Iterable[str] = (),
    unknown: Iterable[str] = (),
) -> Iterator[str]:
    """Yield the attributes that differ as `~ name = old -> new`, the names `size` characters wide."""
    forces, unknown = frozenset(forces), frozenset(unknown)
    for name in names:
        old, new = before.get(name), after.get(name)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            yield f"{_mark('~', style)} {name:<{size}} = {{"
            lines = _policy(old, new, style) if name == "policy" else _pairs(old, new, style)
            yield from (f"    {line}" for line in lines)
            yield "  }"
        else:
            suffix = style.red(" # needs a successor") if name in forces else ""
            suffix += f" {KNOWN_AFTER_APPLY}" if name in unknown else ""
            change = f"{value_text(kind, name, old)} -> {value_text(kind, name, new)}"
            yield f"{_mark('~', style)} {name:<{size}} = {change}{suffix}"


def _items(value: Mapping[str, Any], mark: str) -> Iterator[str]:
    size = max((len(quote(str(name))) for name in value), default=0)
    for name, item in sorted(value.items()):
        yield f"{mark} {quote(str(name)):<{size}} = {json_text(item)}"


def _pairs(old: Mapping[str, Any], new: Mapping[str, Any], style: Style) -> Iterator[str]:
    names = sorted({*old, *new})
    differing_names = [name for name in names if old.get(name, _MISSING) != new.get(name, _MISSING)]
    size = max((len(quote(name)) for name in differing_names), default=0)
    for name in differing_names:
        label = f"{quote(name):<{size}}"
        if name not in old:
            yield f"{_mark('+', style)} {label} = {json_text(new[name])}"
        elif name not in new:
            yield f"{_mark('-', style)} {label} = {json_text(old[name])} -> null"
        else:
            yield f"{_mark('~', style)} {label} = {json_text(old[name])} -> {json_text(new[name])}"
    same = len(names) - len(differing_names)
    if same:
        yield style.dim(f"  # ({same} unchanged {'element' if same == 1 else 'elements'} hidden)")


def _policy(old: Mapping[str, Any], new: Mapping[str, Any], style: Style) -> Iterator[str]:
    """Say where two policies differ; whole policies are too long to compare by eye."""
    from deepdiff import DeepDiff  # noqa: PLC0415 - 0.1 s to import, and policies differ rarely

    found = DeepDiff(dict(old), dict(new), view="tree", threshold_to_diff_deeper=0)
    lines = [(_path(level), level.t1, level.t2) for kind in found for level in found[kind]]
    for path, before, after in sorted(lines, key=lambda line: line[0]):
        if _is_missing(before):
            yield f"{_mark('+', style)} {path} = {json_text(after)}"
        elif _is_missing(after):
            yield f"{_mark('-', style)} {path} = {json_text(before)}"
        else:
            yield f"{_mark('~', style)} {path} = {json_text(before)} -> {json_text(after)}"


def _path(level: Any) -> str:
    parts = level.path(output_format="list")
    return escape("".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts).lstrip("."))


def _is_missing(value: Any) -> bool:
    return type(value).__name__ == "NotPresent"


def _mark(glyph: str, style: Style) -> str:
    colours = {"+": style.green, "-": style.red, "~": style.yellow}
    return colours[glyph](glyph) if glyph in colours else glyph
