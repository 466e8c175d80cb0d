"""Drift for people."""

from __future__ import annotations

from collections import Counter
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from kmsplan.report.block_text import differing, head
from kmsplan.report.escape import escape
from kmsplan.report.value_text import value_text
from kmsplan.resource.address import Address, kind_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from kmsplan.drift.report import DriftReport
    from kmsplan.plan.plan import Drift, DriftedAttribute
    from kmsplan.report.scene import Scene
    from kmsplan.report.style import Style

NO_DRIFT: Final = "No drift. The KMS holds what the last apply left."

_WORDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "changed": "has changed",
        "vanished": "has vanished",
        "pending_deletion": "was scheduled for deletion by somebody else",
        "unmanaged": "is not managed",
        "unreadable": "could not be read",
    }
)


def drift_text(report: DriftReport, scene: Scene) -> str:
    """Return drift as text; the last line counts it."""
    style = scene.style
    drift = [finding.drift for finding in report.findings]
    if not drift:
        return f"{style.bold(style.green(NO_DRIFT))}\n"
    found = Counter(one.kind for one in drift)
    counted = ", ".join(f"{found[kind]} {kind.replace('_', ' ')}" for kind in _WORDS if found[kind])
    lines = [
        style.bold("The KMS differs from what the last apply left:"),
        "",
        *drift_blocks(drift, style),
        style.bold(f"Drift: {counted}."),
    ]
    return "".join(f"{line}\n" for line in lines)


def drift_blocks(drift: Iterable[Drift], style: Style) -> Iterator[str]:
    """Yield the lines of each drifted object."""
    for one in drift:
        name = escape(one.address or one.identity)
        identity = f" ({escape(one.identity)})" if one.address and one.identity else ""
        yield f"  # {style.bold(name)}{identity} {_WORDS[one.kind]}"
        if one.detail:
            yield f"  # {escape(one.detail)}"
        if one.attributes:
            yield f"{style.yellow('  ~')} {head(Address(one.address))} {{"
            for attribute in one.attributes:
                yield from (f"      {line}" for line in _attribute(one, attribute, style))
            yield "    }"
        yield ""


def _attribute(drift: Drift, attribute: DriftedAttribute, style: Style) -> Iterator[str]:
    kind, name = kind_of(Address(drift.address)), attribute.name
    yield from differing(kind, {name: attribute.recorded}, {name: attribute.observed}, (name,), style, len(name))
    if attribute.desired is not None and attribute.desired != attribute.recorded:
        yield style.dim(f"  # declared: {value_text(kind, name, attribute.desired)}")
