"""Finished values to render: one rich value of each subject, with a text of anybody's wherever one can stand."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from kmsplan.apply.outcome import Outcome, Result, ResultStatus
from kmsplan.apply.settle import Found, Settled
from kmsplan.config.configuration import Waiver
from kmsplan.config.diagnostic import Diagnostic, Span, Validation
from kmsplan.config.diagnostic import Severity as DiagnosticSeverity
from kmsplan.drift.report import Cause, DriftReport, Verdict
from kmsplan.drift.report import Finding as DriftFinding
from kmsplan.kms import operation
from kmsplan.plan.diff import complete
from kmsplan.plan.plan import Action, Blast, Change, Drift, DriftedAttribute, Plan, Reason, Violation
from kmsplan.policy.report import Finding, Judged, PolicyReport, Rule, Severity
from kmsplan.report.form import Subject
from kmsplan.report.scene import Scene
from kmsplan.resource.address import Address, kind_of
from kmsplan.resource.kinds import KINDS
from kmsplan.resource.step import Effect, Step
from kmsplan.state.error import StateError
from kmsplan.state.record import Pending

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

HOSTILE = (
    "::error::x %0A::set-output name=a::b ##vso[task.setvariable variable=a]b ##[error] ]]> </code></details> "
    "<!-- --> <img src=x onerror=alert(1)> **b** _i_ `c` ```` | [l](http://e.example) @admin #1 !2 www.e.example "
    "\x1b[31m\n\r\t\u2028\u202e\ufeff\x00 \ufffe \U0001f511 =1+1 &amp; {0} $x$ ~~s~~\n```\n/close"
)
"""What somebody may try in a description, a tag or an error message."""
_LINES = {
    "alias.orders": 9,
    "instance.core": 3,
    "key.fresh": 21,
    "key.orders": 4,
    "key.paused": 14,
    "key.signer": 17,
    "key.silent": 24,
    "key.soft": 27,
}


def scene(folder: str = "conf") -> Scene:
    """Where the declarations are."""
    spans = {Address(name): Span("kmsplan.yaml", line, 3, line, 9) for name, line in _LINES.items()}
    now = datetime(2026, 6, 1, 12, tzinfo=UTC)
    return Scene(now=now, environment="embedded/e1", places=spans, folder=folder)


def attributes(address: str, **said: Any) -> Mapping[str, Any]:
    """Whole attributes: what is not said has its default."""
    return complete(KINDS[kind_of(Address(address))], said)


def change(address: str, action: Action, reason: Reason, **said: Any) -> Change:
    return Change(address=Address(address), action=action, reason=reason, **said)


def _key(**said: Any) -> Mapping[str, Any]:
    return attributes("key.x", instance="instance.core", usage="ENCRYPT/DECRYPT", **said)


def _updated(address: str, identity: str, reason: Reason, before: Any, after: Any, **said: Any) -> Change:
    names = tuple(name for name in after if before.get(name) != after[name])
    return change(
        address, Action.UPDATE, reason, identity=identity, before=before, after=after, attributes=names, **said
    )


def plan(text: str = "payments") -> Plan:
    """Every kind of change; `text` stands wherever a user's or a KMS's can."""
    step = Step(operation=operation.CancelKeyDeletion(key="key-9"), effect=Effect())
    changes = (
        _updated(
            "alias.orders",
            "alias/orders",
            Reason.FOLLOWS,
            attributes("alias.orders", key="key.orders~1"),
            attributes("alias.orders", key="key.orders"),
        ),
        change(
            "key.fresh",
            Action.CREATE,
            Reason.NEW,
            after=_key(description=text, tags={"data": text}, aliases=None),
            unknown=("identity", "instance"),
        ),
        change("key.gone~1", Action.NO_OP, Reason.WAITING, identity="key-8", effect=Effect()),
        _updated(
            "key.lent",
            "key-10",
            Reason.CHANGED,
            _key(origin="EXTERNAL", imported="never"),
            _key(origin="EXTERNAL", imported="2026-06-02T00:00:00Z"),
            note=f"the KMS destroys its material at 2026-06-02T00:00:00Z ({text})",
            blast=Blast(aliases=("alias/lent",)),
        ),
        change(
            "key.old",
            Action.DELETE,
            Reason.NOT_IN_CONFIGURATION,
            identity="key-2",
            before=_key(description=text),
            note=f"what it encrypted cannot be read after 2026-07-01 ({text})",
            blast=Blast(
                aliases=("alias/old",),
                unmanaged=(f"alias/{text}",),
                used_by=("billing", text),
                last_used="2026-05-30",
                tracked_since="2026-01-01",
                versions=3,
            ),
        ),
        change(
            "key.orders",
            Action.REPLACE,
            Reason.CANNOT_UPDATE,
            identity="key-1",
            before=_key(spec="Aliyun_AES_256"),
            after=_key(spec="RSA_2048"),
            attributes=("spec",),
            blast=Blast(aliases=("alias/orders",)),
        ),
        _updated(
            "key.paused", "key-3", Reason.CHANGED, _key(enabled=True), _key(enabled=False), blast=Blast(used_by=(text,))
        ),
        change(
            "key.revived", Action.RESTORE, Reason.PENDING_DELETION, identity="key-9", before={}, after={}, steps=(step,)
        ),
        _updated(
            "key.signer",
            "key-4",
            Reason.DRIFTED,
            _key(tags={"a": text, "b": "2"}, description=text),
            _key(tags={"a": "1", "b": "2"}, description="line"),
        ),
        change("key.silent", Action.NO_OP, Reason.UNREADABLE, identity="key-5", blocked=f"no answer ({text})"),
        _updated("key.soft", "key-6", Reason.CHANGED, _key(deletion_protection=True), _key(deletion_protection=False)),
    )
    return Plan(
        lineage="4f1d",
        serial=3,
        environment="embedded/e1",
        config_digest="c0ffee",
        changes=changes,
        drift=tuple(one.drift for one in drift(text).findings),
        violations=(
            Violation(
                code="P109",
                address=Address("key.soft"),
                summary="The key is protected from deletion",
                detail=f"key.soft has deletion protection ({text}).",
                where="kmsplan.yaml:27:3",
            ),
            Violation(
                code="P201",
                address=None,
                summary="The number of deletions is not the expected one",
                detail=f"This plan deletes 1 (none expected): key.old {text}. Pass --allow-delete 1.",
                brake=True,
            ),
        ),
        complete=False,
        keys=8,
    )


def waiver(text: str, **said: Any) -> Waiver:
    facts: dict[str, Any] = {"address": "key.signer", "owner": f"ann {text}", "reason": f"moved by hand {text}"}
    return Waiver(**{**facts, "expires": date(2026, 7, 1), "span": Span("kmsplan.yaml", 40, 3, 40, 9), **said})


def drift(text: str = "payments") -> DriftReport:
    """Every kind of drift, one finding waived, one waiver unused."""
    changed = Drift(
        address="key.orders",
        identity="key-1",
        kind="changed",
        attributes=(
            DriftedAttribute(name="enabled", recorded=True, observed=False, desired=True),
            DriftedAttribute(name="tags", recorded={"a": "1"}, observed={"a": text}, desired={"a": "1"}),
        ),
    )
    cause = Cause(
        actor=f"user {text}",
        time="2026-05-31T10:00:00Z",
        action="DisableKey",
        request_id="r-1",
        source=f"10.0.0.9 {text}",
    )
    accepted = Drift(
        address="key.signer",
        identity="key-4",
        kind="changed",
        attributes=(DriftedAttribute(name="description", recorded="line", observed=text, desired="line"),),
    )
    unmanaged = Drift(address="", identity=f"key-9{text}", kind="unmanaged", detail=f"its state is {text}")
    silent = Drift(address="key.silent", identity="key-5", kind="unreadable", detail=f"no answer ({text})")
    doomed = Drift(address="key.paused", identity="key-3", kind="pending_deletion", detail="its deletion is scheduled")
    verdicts = {"enabled": Verdict.REVERT, "tags": Verdict.REVERT}
    return DriftReport(
        findings=(
            DriftFinding(drift=unmanaged, fingerprint="9" * 16),
            DriftFinding(
                drift=Drift(address="alias.orders", identity="alias/orders", kind="vanished"), fingerprint="8" * 16
            ),
            DriftFinding(
                drift=changed, fingerprint="7" * 16, verdicts=verdicts, cause=cause, first_seen="2026-05-31T11:00:00Z"
            ),
            DriftFinding(drift=doomed, fingerprint="6" * 16),
            DriftFinding(drift=silent, fingerprint="5" * 16),
        ),
        waived=(
            DriftFinding(
                drift=accepted,
                fingerprint="4" * 16,
                verdicts={"description": Verdict.REVERT},
                waiver=waiver(text, attribute="description"),
            ),
        ),
        unused=(waiver(text, address="key.gone*"),),
        checked=7,
        managed_keys=6,
        unmanaged_keys=1,
        day=date(2026, 6, 1),
    )


def _result(address: str, action: Action, status: ResultStatus, **said: Any) -> Result:
    counted = {"done": 2, "planned": 2, "elapsed": 0.25, **said}
    return Result(address=Address(address), action=action, status=status, **counted)


def outcome(text: str = "payments") -> Outcome:
    """Every status, an operation of an earlier run in doubt, and a state that was not written."""
    pending = Pending(
        sequence=1,
        address=Address("key.fresh"),
        operation="CreateKey",
        parameters={},
        token="t",
        identity=None,
        effect=Effect(),
    )
    return Outcome(
        results=(
            _result("alias.orders", Action.UPDATE, ResultStatus.REVERTED, undone=2),
            _result("instance.core", Action.CREATE, ResultStatus.DONE, identity=f"kst-1{text}"),
            _result("key.fresh", Action.CREATE, ResultStatus.IN_DOUBT, done=0, error=f"no answer ({text})"),
            _result(
                "key.orders",
                Action.UPDATE,
                ResultStatus.FAILED,
                done=1,
                identity="key-1",
                error=f"Rejected.LimitExceeded: {text}",
                code="Rejected.LimitExceeded",
            ),
            _result(
                "key.paused", Action.UPDATE, ResultStatus.DONE, identity="key-3", left=f"it stays disabled ({text})"
            ),
            _result("key.signer", Action.UPDATE, ResultStatus.SKIPPED, done=0, error="key.orders was not done"),
            _result("key.soft", Action.DELETE, ResultStatus.CANCELLED, done=0),
        ),
        unsettled=(Settled(pending=pending, found=Found.IN_DOUBT, note=f"two objects carry the token {text}"),),
        error=StateError(f"the state cannot be written: {text}", "Make room."),
        unreverted=f"somebody stopped it {text}",
        elapsed=1.5,
    )


def rule(name: str, severity: Severity, text: str) -> Rule:
    return Rule(
        id=name,
        title=f"Keys rotate at least once a year {text}".strip(),
        severity=severity,
        remedy=f"Set rotation: 365d. {text}".strip(),
        pack="baseline",
        clauses=("NIST SP 800-57 Part 1 Rev. 5, 5.3.6",),
    )


def policy(text: str = "payments") -> PolicyReport:
    """Rules of every severity: broken, waived, held, and one that nothing could be said of."""
    error, warning = rule("R101", Severity.ERROR, text), rule("R102", Severity.WARNING, text)
    note, held = rule("R103", Severity.NOTE, text), rule("R104", Severity.ERROR, text)
    unknown = rule("R105", Severity.WARNING, text)
    return PolicyReport(
        findings=(
            Finding(
                rule=error,
                address="key.orders",
                message=f"it never rotates ({text})",
                evidence={"rotation": None, "description": text},
                span=Span("kmsplan.yaml", 4, 3, 4, 9),
            ),
            Finding(rule=warning, address="key.paused", identity="key-3", message=f"it rotates every 500d {text}"),
            Finding(rule=note, address="", identity=f"key-9{text}", message="nobody manages it"),
        ),
        waived=(
            Finding(
                rule=error, address="key.signer", message=f"it never rotates {text}", waiver=waiver(text, rule="R101")
            ),
        ),
        unused=(waiver(text, rule="R102", address="key.gone"),),
        judged=(
            Judged(rule=error, held=3, broken=1, waived=1, skipped=0),
            Judged(rule=warning, held=4, broken=1, waived=0, skipped=0),
            Judged(rule=note, held=0, broken=1, waived=0, skipped=0),
            Judged(rule=held, held=6, broken=0, waived=0, skipped=0),
            Judged(rule=unknown, held=0, broken=0, waived=0, skipped=6),
        ),
        objects=7,
    )


def validation(text: str = "payments") -> Validation:
    """An error with its place, one without any, and a warning."""
    span = Span("kmsplan.yaml", 4, 12, 4, 18)
    return Validation(
        diagnostics=(
            Diagnostic(
                code="K210",
                summary="Repeated element",
                detail=f"The tag {text} is there twice.",
                span=span,
                excerpt=f"    tags: {text}",
                address="key.orders",
                severity=DiagnosticSeverity.WARNING,
            ),
            Diagnostic(
                code="K204",
                summary="Value out of its form or range",
                detail=f"rotation is the text {text}; it must be a duration.",
                span=replace(span, line=9),
                excerpt=f"    rotation: {text}",
                address="key.signer",
            ),
            Diagnostic(code="K101", summary="No configuration here", detail=f"There is no file in {text}."),
        )
    )


MAKERS: dict[Subject, Callable[[str], Any]] = {
    Subject.PLAN: plan,
    Subject.DRIFT: drift,
    Subject.OUTCOME: outcome,
    Subject.POLICY: policy,
    Subject.VALIDATION: validation,
}
"""By subject: the value, with a text of anybody's in it."""
NOTHING: dict[Subject, Any] = {
    Subject.PLAN: Plan(lineage="4f1d", serial=3, environment="embedded/e1", config_digest="c0ffee", changes=()),
    Subject.DRIFT: DriftReport(checked=7, managed_keys=6),
    Subject.OUTCOME: Outcome(),
    Subject.POLICY: PolicyReport(
        judged=(Judged(rule=rule("R101", Severity.ERROR, ""), held=7, broken=0, waived=0, skipped=0),), objects=7
    ),
    Subject.VALIDATION: Validation(objects=7),
}
"""By subject: what there is to say where everything is as it should be."""


def _many_problems(count: int) -> Validation:
    one = validation().diagnostics[1]
    return Validation(diagnostics=tuple(replace(one, address=f"key.k{number:06}") for number in range(count)))


def many(subject: Subject, count: int) -> Any:
    """A value with so many changes, findings or results, a third of each kind that matters."""
    return _MANY[subject](count)


def _many_changes(count: int) -> Plan:
    before, after = _key(enabled=True, tags={"a": "1"}), _key(enabled=False, tags={"a": "2"})
    blast = Blast(aliases=("alias/x",), used_by=("billing",))

    def one(number: int) -> Change:
        address, identity = f"key.k{number:06}", f"key-{number:06}"
        if number % 3 == 0:
            return change(address, Action.CREATE, Reason.NEW, after=after, unknown=("identity",))
        if number % 3 == 1:
            return _updated(address, identity, Reason.CHANGED, before, after, blast=blast)
        return change(
            address, Action.DELETE, Reason.NOT_IN_CONFIGURATION, identity=identity, before=before, blast=blast
        )

    violation = Violation(code="P109", address=Address("key.k000002"), summary="The key is protected", detail="It is.")
    changes = tuple(map(one, range(count)))
    return Plan(
        lineage="4f1d",
        serial=3,
        environment="embedded/e1",
        config_digest="c0ffee",
        changes=changes,
        violations=tuple(replace(violation, address=one.address) for one in changes[2::3]),
    )


def _many_findings(count: int) -> DriftReport:
    (changed,) = (finding for finding in drift().findings if finding.drift.kind == "changed")

    def one(number: int) -> DriftFinding:
        moved = replace(changed.drift, address=f"key.k{number:06}", identity=f"key-{number:06}")
        return replace(changed, drift=moved, fingerprint=f"{number:016x}")

    return DriftReport(findings=tuple(map(one, range(count))), checked=count)


def _many_results(count: int) -> Outcome:
    statuses = list(ResultStatus)
    return Outcome(
        results=tuple(
            _result(f"key.k{number:06}", Action.CREATE, statuses[number % len(statuses)], error="no")
            for number in range(count)
        )
    )


def _many_broken(count: int) -> PolicyReport:
    error = rule("R101", Severity.ERROR, "")
    return PolicyReport(
        findings=tuple(
            Finding(rule=error, address=f"key.k{number:06}", message="it never rotates") for number in range(count)
        ),
        judged=(Judged(rule=error, held=0, broken=count, waived=0, skipped=0),),
        objects=count,
    )


_MANY: dict[Subject, Callable[[int], Any]] = {
    Subject.PLAN: _many_changes,
    Subject.DRIFT: _many_findings,
    Subject.OUTCOME: _many_results,
    Subject.POLICY: _many_broken,
    Subject.VALIDATION: _many_problems,
}
