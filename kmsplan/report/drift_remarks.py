"""What drift has to say at a line of a file."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from kmsplan.report.drift_text import WORDS
from kmsplan.report.headline import drift_headline
from kmsplan.report.remark import Fingerprints, Level, Remark, Remarks, Rule, rules_of, worst_first
from kmsplan.report.value_text import value_text
from kmsplan.resource.address import Address, kind_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from kmsplan.drift.report import Cause, DriftReport, Finding
    from kmsplan.plan.plan import DriftedAttribute
    from kmsplan.report.scene import Scene

RULES: Final[Mapping[str, Rule]] = MappingProxyType(
    {
        "changed": Rule(
            id="drift-changed",
            title="An object was changed outside of kmsplan",
            help="Find out who changed it and why. To put it back: kmsplan apply. To keep it: declare it.",
            level=Level.WARNING,
            tags=("drift",),
        ),
        "vanished": Rule(
            id="drift-vanished",
            title="A recorded object has vanished",
            help="Check that the right KMS is read. What a key that is gone encrypted cannot be read any more.",
            level=Level.ERROR,
            tags=("drift",),
        ),
        "pending_deletion": Rule(
            id="drift-pending-deletion",
            title="Somebody scheduled a key for deletion",
            help="kmsplan apply cancels the deletion while its window lasts; after that the key is gone for ever.",
            level=Level.ERROR,
            tags=("drift",),
        ),
        "unreadable": Rule(
            id="drift-unreadable",
            title="A recorded object could not be read",
            help="Nobody knows whether it has changed. Make the KMS answer, and compare again.",
            level=Level.ERROR,
            tags=("drift", "availability"),
        ),
        "unmanaged": Rule(
            id="drift-unmanaged",
            title="Nobody manages an object",
            help="Bring it under a configuration with kmsplan import, or delete it where it is not needed.",
            level=Level.NOTE,
            tags=("drift", "coverage"),
        ),
    }
)
"""By kind of drift."""


def drift_remarks(report: DriftReport, scene: Scene) -> Remarks:
    """Return what somebody should look at; what a waiver accepts is counted only."""
    found = worst_first(_found(report, scene))
    return Remarks(
        title="kmsplan drift",
        headline=drift_headline(report),
        clean=not found,
        rules=rules_of(found),
        found=found,
        accepted=len(report.waived),
    )


def _found(report: DriftReport, scene: Scene) -> Iterator[Remark]:
    prints = Fingerprints()
    for finding in report.findings:
        drift, rule = finding.drift, RULES[finding.drift.kind]
        made = finding.fingerprint
        yield Remark(
            rule=rule,
            level=rule.level,
            subject=drift.address or drift.identity,
            message=finding_words(finding),
            span=scene.places.get(Address(drift.address)) if drift.address else None,
            fingerprint=prints.unique(made) if made else prints.of(rule.id, drift.address, drift.identity),
        )


def finding_words(finding: Finding) -> str:
    """Return one finding as sentences: what differs, what the next apply makes of it, and who did it."""
    drift = finding.drift
    name = (
        f"{drift.address} ({drift.identity})" if drift.address and drift.identity else drift.address or drift.identity
    )
    parts = [f"{name} {WORDS[drift.kind]}", *([drift.detail] if drift.detail else [])]
    parts += (f"{one}{_verdict(finding, attribute)}" for attribute, one in _attributes(finding))
    parts += [cause_words(finding.cause)] if finding.cause is not None else []
    return "; ".join(parts)


def attribute_words(address: str, attribute: DriftedAttribute) -> str:
    """Return `enabled: true -> false`."""
    kind, name = kind_of(Address(address)), attribute.name
    return f"{name}: {value_text(kind, name, attribute.recorded)} -> {value_text(kind, name, attribute.observed)}"


def cause_words(cause: Cause) -> str:
    """Return who did it, how and when."""
    return f"by {cause.actor} from {cause.source} with {cause.action} at {cause.time}"


def _attributes(finding: Finding) -> Iterator[tuple[str, str]]:
    for attribute in finding.drift.attributes:
        yield attribute.name, attribute_words(finding.drift.address, attribute)


def _verdict(finding: Finding, name: str) -> str:
    verdict = finding.verdicts.get(name)
    return f" ({verdict.value})" if verdict is not None else ""
