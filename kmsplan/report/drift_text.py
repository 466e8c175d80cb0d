"""Drift for people."""

from __future__ import annotations

from collections import Counter
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from kmsplan.drift.report import Verdict
from kmsplan.report.block_text import differing, head
from kmsplan.report.escape import escape
from kmsplan.report.value_text import value_text
from kmsplan.resource.address import Address, kind_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from kmsplan.config.configuration import Waiver
    from kmsplan.drift.report import DriftReport, Finding
    from kmsplan.plan.plan import Drift, DriftedAttribute
    from kmsplan.report.scene import Scene
    from kmsplan.report.style import Style

NO_DRIFT: Final = "No drift. The KMS holds what the last apply left."
WAIVED_ONLY: Final = "No drift but what is waived."

WORDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "changed": "has changed",
        "vanished": "has vanished",
        "pending_deletion": "was scheduled for deletion by somebody else",
        "unmanaged": "is not managed",
        "unreadable": "could not be read",
    }
)
VERDICTS: Final[Mapping[Verdict, str]] = MappingProxyType(
    {
        Verdict.REVERT: "revert: the next apply puts it back",
        Verdict.ACCEPT: "accept: it is as declared, the next apply records it",
        Verdict.CONFLICT: "conflict: the next apply makes it what is declared",
        Verdict.UNDECLARED: "undeclared: the configuration does not say what it is to be",
    }
)


def drift_text(report: DriftReport, scene: Scene) -> str:
    """Return drift as text; the last line counts it."""
    style = scene.style
    lines = []
    if report.findings:
        lines += [style.bold("The KMS differs from what the last apply left:"), "", *_findings(report, scene)]
    if report.waived:
        lines += [style.bold("Waived:"), "", *_waived(report.waived, scene)]
    if report.unused:
        lines += [style.bold("Waivers that nothing matches any more:"), "", *_unused(report.unused, scene)]
    lines += [*_coverage(report), style.bold(_conclusion(report, style))]
    return "".join(f"{line}\n" for line in lines)


def drift_blocks(drift: Iterable[Drift], style: Style) -> Iterator[str]:
    """Yield the lines of each drifted object."""
    for one in drift:
        yield from _block(one, style)


def _conclusion(report: DriftReport, style: Style) -> str:
    found = Counter(finding.drift.kind for finding in report.findings)
    if not found:
        return style.green(WAIVED_ONLY if report.waived else NO_DRIFT)
    counted = [f"{found[kind]} {kind.replace('_', ' ')}" for kind in WORDS if found[kind]]
    return f"Drift: {', '.join((*counted, *([f'{len(report.waived)} waived'] if report.waived else [])))}."


def _coverage(report: DriftReport) -> Iterator[str]:
    if report.coverage is not None and report.unmanaged_keys:
        keys = report.managed_keys + report.unmanaged_keys
        # Rounded down: it is not all of them before it is all of them.
        yield f"Coverage: {report.managed_keys} of {keys} keys are managed ({int(100 * report.coverage)} %)."


def finding_lines(finding: Finding, scene: Scene) -> Iterator[str]:
    """Yield the lines of one finding, and an empty one."""
    yield from _block(finding.drift, scene.style, finding, tuple(_notes(finding, scene)))


def _findings(report: DriftReport, scene: Scene) -> Iterator[str]:
    for finding in report.findings:
        yield from finding_lines(finding, scene)


def _notes(finding: Finding, scene: Scene) -> Iterator[str]:
    """Yield who did it, since when it is known, and which waiver does not cover it any more."""
    cause, waiver = finding.cause, finding.waiver
    if cause is not None:
        yield f"by {cause.actor} at {cause.time} with {cause.action} ({cause.source}, request {cause.request_id})"
    if finding.first_seen is not None:
        yield f"first seen {finding.first_seen}"
    if waiver is not None:
        about = f" of {waiver.attribute}" if waiver.attribute else ""
        yield f"waiver{about} of {waiver.owner} expired on {waiver.expires} ({_place(waiver, scene)})"


def _block(drift: Drift, style: Style, finding: Finding | None = None, notes: Iterable[str] = ()) -> Iterator[str]:
    name = escape(drift.address or drift.identity)
    identity = f" ({escape(drift.identity)})" if drift.address and drift.identity else ""
    yield f"  # {style.bold(name)}{identity} {WORDS[drift.kind]}"
    if drift.detail:
        yield f"  # {escape(drift.detail)}"
    for note in notes:
        yield style.dim(f"  # {escape(note)}")
    if drift.attributes:
        yield f"{style.yellow('  ~')} {head(Address(drift.address))} {{"
        for attribute in drift.attributes:
            verdict = finding.verdicts.get(attribute.name) if finding else None
            yield from (f"      {line}" for line in _attribute(drift, attribute, style, verdict))
        yield "    }"
    yield ""


def _attribute(drift: Drift, attribute: DriftedAttribute, style: Style, verdict: Verdict | None) -> Iterator[str]:
    kind, name = kind_of(Address(drift.address)), attribute.name
    yield from differing(kind, {name: attribute.recorded}, {name: attribute.observed}, (name,), style, len(name))
    if verdict is Verdict.CONFLICT or (verdict is None and attribute.desired not in (None, attribute.recorded)):
        yield style.dim(f"  # declared: {value_text(kind, name, attribute.desired)}")
    if verdict is not None:
        yield style.dim(f"  # {VERDICTS[verdict]}")


def _waived(waived: Iterable[Finding], scene: Scene) -> Iterator[str]:
    for finding in waived:
        drift, waiver = finding.drift, finding.waiver
        what = ", ".join(one.name for one in drift.attributes) or WORDS[drift.kind]
        yield f"  # {scene.style.bold(escape(drift.address or drift.identity))}: {escape(what)}"
        if waiver is not None:
            yield scene.style.dim(f"  # {escape(_said(waiver, scene))}")
    yield ""


def _unused(waivers: Iterable[Waiver], scene: Scene) -> Iterator[str]:
    for waiver in waivers:
        about = f" {waiver.attribute}" if waiver.attribute else ""
        yield f"  # {escape(waiver.address + about)}: {escape(_said(waiver, scene))}"
    yield ""


def _said(waiver: Waiver, scene: Scene) -> str:
    return f"{waiver.owner}, until {waiver.expires} ({_place(waiver, scene)}): {waiver.reason}"


def _place(waiver: Waiver, scene: Scene) -> str:
    return f"{scene.path(waiver.span)}:{waiver.span.line}"
