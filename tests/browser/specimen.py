"""One report of each subject with everything in it, every text of others as hostile as somebody likes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from kmsplan.apply.outcome import Outcome, Result, ResultStatus
from kmsplan.apply.settle import Found, Settled
from kmsplan.config.configuration import Waiver
from kmsplan.config.diagnostic import Span
from kmsplan.drift.report import Cause, DriftReport, Verdict
from kmsplan.drift.report import Finding as DriftFinding
from kmsplan.inventory.due import Due, DueKind, DueReport
from kmsplan.inventory.item import Inventory, Item, Presence
from kmsplan.kms.operation import CreateKey, DisableKey, ScheduleKeyDeletion
from kmsplan.kms.quantum import QUANTUM
from kmsplan.plan.plan import Action, Blast, Change, Drift, DriftedAttribute, Plan, Reason, Unchanged, Violation
from kmsplan.policy.report import Finding as PolicyFinding
from kmsplan.policy.report import Judged, PolicyReport, Rule, Severity
from kmsplan.report.form import Subject
from kmsplan.report.scene import Scene
from kmsplan.resource.address import Address
from kmsplan.resource.step import Effect, Step
from kmsplan.state.error import StateError
from kmsplan.state.record import Pending

if TYPE_CHECKING:
    from collections.abc import Mapping

NOW: Final = datetime(2026, 6, 1, 12, tzinfo=UTC)
EVIL: Final = (
    "<script>window.pwned=1</script>\"><img src=x onerror=window.pwned=1>'</script><!--{{7*7}}${7*7}"
    "<svg onload=window.pwned=1>]]>&lt;b&gt;\u202e\u200b\x1b[31m\n::error::javascript:window.pwned=1" + "w" * 200
)
"""What somebody would write who wants to run a script, hide something or break a page's layout."""


@dataclass(frozen=True)
class Specimen:
    """What a report is made from."""

    subject: Subject
    value: Any
    scene: Scene


def scene(evil: str = "") -> Scene:
    orders, signer = Address(f"key.orders{evil}"), Address(f"key.signer{evil}")
    core, alias = Address(f"instance.core{evil}"), Address(f"alias.orders{evil}")
    due = [
        Due(at=NOW + timedelta(days=30 * number), kind=kind, address=orders, identity="key-1", summary=f"is due {evil}",
            remedy=f"look {evil}")
        for number, kind in enumerate(DueKind, start=-1)
    ]  # fmt: skip
    return Scene(
        now=NOW,
        environment=f"embedded/e1{evil}",
        places={
            address: Span(f"kms{evil}.yaml", line, 3, line, 9)
            for line, address in enumerate((core, orders, signer, alias, Address(f"key.gone{evil}")), start=3)
        },
        parents={orders: core, signer: core, alias: orders},
        due=tuple(due),
        folder="team",
    )


def plan(evil: str = "") -> Plan:
    core, other = f"instance.core{evil}", f"instance.other{evil}"
    attributes: Mapping[str, Any] = {
        "instance": core,
        "spec": "Aliyun_AES_256",
        "usage": "ENCRYPT/DECRYPT",
        "enabled": True,
        "description": f"for orders {evil}",
        "rotation": 7776000,
        "tags": {f"team{evil}": f"payments{evil}"},
        "deletion_protection": True,
    }
    blast = Blast(
        aliases=(f"alias/gone{evil}",),
        unmanaged=(f"alias/theirs{evil}",),
        used_by=(f"checkout{evil}",),
        last_used="2026-05-30",
        tracked_since="2026-01-01",
        versions=4,
    )

    def change(name: str, action: Action, reason: Reason = Reason.CHANGED, **said: Any) -> Change:
        return Change(address=Address(f"{name}{evil}"), action=action, reason=reason, **{"identity": "key-1", **said})

    create = Step(
        operation=CreateKey(spec="EC_P256", usage="SIGN/VERIFY", origin="Aliyun_KMS", rotation=86400), effect=Effect()
    )
    return Plan(
        lineage=f"lineage{evil}",
        serial=7,
        environment=f"embedded/e1{evil}",
        config_digest="c",
        author=f"alice@host{evil}",
        targets=(f"key.*{evil}",),
        excludes=(f"key.x{evil}",),
        complete=False,
        changes=(
            change("alias.moved", Action.UPDATE, before={"key": f"key.gone{evil}"}, after={"key": f"key.new{evil}"},
                   attributes=("key",), identity=f"alias/moved{evil}"),
            change("key.blocked", Action.UPDATE, before=attributes, after=attributes, blocked=f"not readable {evil}"),
            change("key.gone", Action.DELETE, Reason.NOT_IN_CONFIGURATION, before=attributes, blast=blast,
                   note=f"data is lost {evil}",
                   steps=(Step(operation=ScheduleKeyDeletion(key="key-1", window_days=30), effect=Effect()),)),
            change("key.new", Action.CREATE, Reason.NEW, identity=None, after={**attributes, "instance": other},
                   unknown=("identity",), steps=(create,)),
            change("key.off", Action.UPDATE, before=attributes, after={**attributes, "enabled": False}, blast=blast,
                   attributes=("enabled",), steps=(Step(operation=DisableKey(key="key-1"), effect=Effect()),)),
            change("key.tagged", Action.UPDATE, before=attributes, after={**attributes, "tags": {}},
                   attributes=("tags",)),
        ),
        unchanged=tuple(
            Unchanged(Address(f"key.same{number}{evil}"), f"key-{number}", attributes) for number in range(12)
        ),
        drift=(
            Drift(address=f"key.off{evil}", identity="key-1", kind="changed", detail=f"seen {evil}",
                  attributes=(DriftedAttribute(name="description", recorded="a", observed=f"b{evil}", desired="c"),)),
        ),
        violations=(
            Violation(code="P109", address=Address(f"key.gone{evil}"), summary="A key in use is to be deleted",
                      detail=f"It was used {evil}", brake=True, where=f"kms{evil}.yaml:4:3"),
            Violation(code="P104", address=None, summary="A rule is broken", detail=f"So it is {evil}"),
        ),
    )  # fmt: skip


def drift(evil: str = "") -> DriftReport:
    waiver = Waiver(
        address=f"key.*{evil}",
        owner=f"bob{evil}",
        reason=f"migration{evil}",
        expires=date(2026, 5, 1),
        span=Span("kms.yaml", 1, 1, 1, 1),
    )

    def finding(name: str, kind: str, *attributes: DriftedAttribute, **said: Any) -> DriftFinding:
        address = f"{name}{evil}" if kind != "unmanaged" else ""
        one = Drift(address=address, identity=f"{name}-id{evil}", kind=kind, attributes=attributes, detail=f"so {evil}")
        return DriftFinding(drift=one, fingerprint="0123456789abcdef", **said)

    cause = Cause(
        actor=f"mallory{evil}",
        time="2026-05-31T23:00:00Z",
        action="DisableKey",
        request_id=f"r-1{evil}",
        source=f"10.0.0.1{evil}",
    )
    described = DriftedAttribute(name="description", recorded="a", observed=f"b{evil}")
    enabled = DriftedAttribute(name="enabled", recorded=True, observed=False, desired=True)
    return DriftReport(
        findings=(
            finding("alias.orders", "vanished", cause=cause),
            finding("key.orders", "changed", enabled, described,
                    verdicts={"enabled": Verdict.REVERT, "description": Verdict.UNDECLARED}, cause=cause,
                    first_seen="2026-05-30T00:00:00Z", waiver=waiver),
            finding("key.signer", "pending_deletion"),
            finding("key.silent", "unreadable"),
            finding("key-stray", "unmanaged"),
        ),
        waived=(finding("key.waived", "changed", enabled, waiver=waiver, cause=cause),),
        unused=(waiver,),
        checked=9,
        managed_keys=2,
        unmanaged_keys=1,
        day=NOW.date(),
    )  # fmt: skip


def outcome(evil: str = "") -> Outcome:
    def result(name: str, status: ResultStatus, action: Action = Action.UPDATE, **said: Any) -> Result:
        return Result(address=Address(f"{name}{evil}"), action=action, status=status, done=1, planned=2, **said)

    pending = Pending(
        sequence=1,
        address=Address(f"key.old{evil}"),
        operation="CreateKey",
        parameters={},
        token="t",
        identity=None,
        effect=Effect(),
    )
    return Outcome(
        results=(
            result("alias.orders", ResultStatus.SKIPPED, error=f"waits {evil}"),
            result("instance.core", ResultStatus.DONE, Action.CREATE, identity=f"kst-1{evil}", elapsed=0.25),
            result("key.orders", ResultStatus.FAILED, error=f"refused {evil}", code="Rejected", left=f"stays {evil}"),
            result("key.signer", ResultStatus.REVERTED, undone=1),
            result("key.unsure", ResultStatus.IN_DOUBT, error=f"no answer {evil}"),
            result("key.waiting", ResultStatus.CANCELLED),
        ),
        unsettled=(Settled(pending=pending, found=Found.IN_DOUBT, note=f"two objects {evil}"),),
        error=StateError(f"disk full {evil}", f"make room {evil}"),
        unreverted=f"in doubt {evil}",
        elapsed=1.5,
    )


def policy(evil: str = "") -> PolicyReport:
    waiver = Waiver(
        address=f"key.*{evil}",
        owner=f"bob{evil}",
        reason=f"later{evil}",
        expires=date(2026, 5, 1),
        span=Span("kms.yaml", 1, 1, 1, 1),
        rule="R101",
    )

    def rule(number: int, severity: Severity) -> Rule:
        return Rule(
            id=f"R10{number}{evil}",
            title=f"Keys rotate {evil}",
            severity=severity,
            remedy=f"set rotation {evil}",
            pack=f"baseline{evil}",
            clauses=(f"NIST SP 800-57 {evil}",),
        )

    rules = [rule(number, severity) for number, severity in enumerate(Severity)]
    findings = [
        PolicyFinding(
            rule=one,
            address=f"key.orders{evil}",
            message=f"it does not {evil}",
            evidence={f"rotation{evil}": None, "tags": {f"a{evil}": f"b{evil}"}},
            span=Span(f"kms{evil}.yaml", 4, 1, 4, 9),
            waiver=waiver if one.severity is Severity.WARNING else None,
        )
        for one in rules
    ]
    return PolicyReport(
        findings=tuple(findings),
        waived=(findings[1],),
        unused=(waiver,),
        judged=(
            *(Judged(rule=one, held=3, broken=1, waived=1, skipped=2) for one in rules),
            Judged(rule=rule(8, Severity.NOTE), held=4, broken=0, waived=0, skipped=0),
        ),
        objects=5,
    )


def inventory(evil: str = "") -> Inventory:
    def item(name: str | None, **said: Any) -> Item:
        address = f"{name}{evil}" if name else None
        told = {
            "state": "Enabled",
            "spec": "RSA_2048",
            "owner": f"team{evil}",
            "tags": {f"a{evil}": f"b{evil}"},
            **said,
        }
        return Item(address=address, identity=f"key-1{name}{evil}", kind="key", presence=Presence.PRESENT, **told)

    broken = QUANTUM["RSA_2048"]
    return Inventory(
        items=(
            item("key.orders", instance=f"instance.core{evil}", quantum=broken, harvest=True, created=NOW),
            item("key.signer", state="Disabled", description=f"d{evil}", aliases=(f"alias/s{evil}",)),
            item("key.going", state="PendingDeletion", deletion=NOW + timedelta(days=7), used_by=(f"shop{evil}",)),
            item("key.lost", state=None, unknown=frozenset({"state", "last_used"}), note=f"no answer {evil}"),
            item(None, state="PendingImport", rotation_seconds=86400, next_rotation=NOW),
        ),
        environment=f"embedded/e1{evil}",
        lineage=f"l{evil}",
        unmanaged=1,
    )


def due(evil: str = "") -> DueReport:
    return DueReport(due=scene(evil).due, until=NOW + timedelta(days=365), untold=(f"key.silent{evil}",))


VALUES: Final[Mapping[Subject, Callable[[str], Any]]] = {
    Subject.PLAN: plan,
    Subject.DRIFT: drift,
    Subject.OUTCOME: outcome,
    Subject.POLICY: policy,
    Subject.INVENTORY: inventory,
    Subject.DUE: due,
}


def specimen(subject: Subject, evil: str = "") -> Specimen:
    """Return everything that a report of this subject can show."""
    return Specimen(subject, VALUES[subject](evil), scene(evil))


def many(number: int) -> Plan:
    """Return a plan with so many changes, one key in ten disabled, and an alias for each."""
    attributes: Mapping[str, Any] = {"instance": "instance.core", "spec": "Aliyun_AES_256", "enabled": True}
    changes = []
    for count in range(number):
        key = Address(f"key.tenant-{count:06}")
        after = {**attributes, "tags": {"tenant": f"t{count}"}}
        if count % 10:
            changes.append(Change(address=key, action=Action.CREATE, reason=Reason.NEW, after=after))
        else:
            changes.append(
                Change(
                    address=key,
                    action=Action.UPDATE,
                    reason=Reason.CHANGED,
                    identity=f"key-{count}",
                    before=after,
                    after={**after, "enabled": False},
                    attributes=("enabled",),
                    blast=Blast(aliases=(f"alias/t{count}",)),
                )
            )
    return Plan(lineage="L", serial=1, environment="e", config_digest="c", changes=tuple(changes))
