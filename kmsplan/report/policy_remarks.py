"""What a policy check has to say at a line of a file."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from kmsplan.policy.report import Severity
from kmsplan.report.headline import policy_headline
from kmsplan.report.remark import Fingerprints, Level, Remark, Remarks, Rule, worst_first
from kmsplan.resource.address import Address

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from kmsplan.policy.report import PolicyReport
    from kmsplan.policy.report import Rule as PolicyRule
    from kmsplan.report.scene import Scene

LEVELS: Final[Mapping[Severity, Level]] = MappingProxyType(
    {Severity.ERROR: Level.ERROR, Severity.WARNING: Level.WARNING, Severity.NOTE: Level.NOTE}
)


def policy_remarks(report: PolicyReport, scene: Scene) -> Remarks:
    """Return every broken rule at every object; what a waiver accepts is counted only."""
    rules = {judged.rule.id: judged.rule for judged in report.judged}
    rules |= {finding.rule.id: finding.rule for finding in report.findings}
    made = {name: _rule(rule) for name, rule in rules.items()}
    found = worst_first(_found(report, scene, made))
    return Remarks(
        title="kmsplan policy",
        headline=policy_headline(report),
        clean=not found,
        rules=tuple(made.values()),
        found=found,
        accepted=len(report.waived),
    )


def _found(report: PolicyReport, scene: Scene, rules: Mapping[str, Rule]) -> Iterator[Remark]:
    prints = Fingerprints()
    for finding in report.findings:
        rule = rules[finding.rule.id]
        subject = finding.address or finding.identity
        yield Remark(
            rule=rule,
            level=rule.level,
            subject=subject,
            message=f"{subject}: {finding.message}",
            span=finding.span or scene.places.get(Address(finding.address)),
            fingerprint=prints.of(rule.id, finding.address, "" if finding.address else finding.identity),
        )


def _rule(rule: PolicyRule) -> Rule:
    after = f" It takes after {'; '.join(rule.clauses)}." if rule.clauses else ""
    return Rule(
        id=rule.id,
        title=rule.title,
        help=f"{rule.remedy}{after}",
        level=LEVELS[rule.severity],
        tags=("policy", rule.pack),
    )
