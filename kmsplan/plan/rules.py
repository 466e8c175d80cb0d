"""The rules of key safety that nothing overrides: one function per code. docs/errors.md explains each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kmsplan.kms.wording import counted
from kmsplan.plan.plan import Violation
from kmsplan.resource.address import kind_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kmsplan.config.configuration import Declared
    from kmsplan.resource.address import Address


def place(declared: Declared | None) -> str:
    """Return FILE:LINE:COLUMN of a declaration; "" where there is none."""
    span = declared.span if declared else None
    return f"{span.filename}:{span.line}:{span.column}" if span else ""


def some(names: Sequence[str], limit: int = 5) -> str:
    """Return the first names and how many more there are."""
    shown = ", ".join(names[:limit])
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit} more"


def another_kms(recorded: str, observed: str) -> Violation:
    """P101: the state speaks of one KMS and the configuration reaches another."""
    return Violation(
        code="P101",
        address=None,
        summary="The state belongs to another KMS",
        detail=f"The state's records are of {recorded}, and the configuration reaches {observed}. Planning on would "
        "make every key again in the wrong place. Check what `engine` names: path, region, endpoint, account; if the "
        "engine's folder was moved or lost, put it back from a backup. If it is the same KMS under another endpoint: "
        "move the state away and run kmsplan state rebuild, which finds its objects by their owner tags.",
    )


def missing_state(owners: Sequence[str]) -> Violation:
    """P102: there is no state, and the KMS holds objects with an owner tag."""
    return Violation(
        code="P102",
        address=None,
        summary="The state is missing",
        detail=f"There is no state here, but the KMS holds objects owned by kmsplan: {some(owners)}. The state was "
        "lost or its path is wrong, and planning on would make them a second time. Put the state back from a backup, "
        "or recreate it from the owner tags with kmsplan state rebuild. If they are another configuration's and this "
        "one is new, begin its state with kmsplan state init.",
    )


def everything_gone(count: int) -> Violation:
    """P103: not one recorded object exists."""
    return Violation(
        code="P103",
        address=None,
        summary="Every recorded object is gone",
        detail=f"The state records {counted(count, 'object')} and the KMS knows none of them: more likely the wrong "
        "account, path or backup than so many deletions. Check what the configuration reaches. If they are really "
        "gone, drop each record with kmsplan state rm ADDRESS.",
    )


def older_state(address: Address, recorded: str, found: str) -> Violation:
    """P104: the KMS holds a younger object with this address in its owner tag."""
    return Violation(
        code="P104",
        address=address,
        summary="The state is older than the KMS",
        detail=f"{address} is recorded as {recorded}, but {found} has the same address in its owner tag and is not "
        "older: an old state was put back, or another one is in use elsewhere. Find the newer state (kmsplan state "
        "history), or recreate it with kmsplan state rebuild.",
    )


def rolled_back(serial: int, seen: str) -> Violation:
    """P120: the KMS was told of a later serial of this state."""
    return Violation(
        code="P120",
        address=None,
        summary="The KMS has seen a newer state",
        detail=f"The state is at serial {serial}, and the KMS has seen {seen}: an old state was put back (a backup, "
        "another folder or branch), and what was done since is not in it. Put the newest state back. If it is lost: "
        "move this one away and run kmsplan state rebuild. To go on with this one as it is, for which kmsplan state "
        "diff and drift should be looked at first: --accept-old-state.",
    )


def two_claims(address: Address, identities: Sequence[str]) -> Violation:
    """P105: several unrecorded objects claim one address."""
    return Violation(
        code="P105",
        address=address,
        summary="Several objects claim one address",
        detail=f"The owner tags of {some(identities)} all say {address}, and none of them is recorded, so nobody can "
        "say which one holds the data. Look at each, and name the right one in an import block.",
    )


def foreign_owner(address: Address, identity: str, owner: str, declared: Declared | None = None) -> Violation:
    """P106: another configuration manages the object."""
    return Violation(
        code="P106",
        address=address,
        summary="Owned by another configuration",
        detail=f"{identity} carries the owner tag {owner}, of another lineage: two configurations would undo each "
        "other's work. Remove it there first (a removed block with forget: true), then name that lineage where it is "
        f"adopted: import: [{{address: {address}, identity: {identity}, owner: {owner.partition('/')[0]}}}].",
        where=place(declared),
    )


def bad_import(address: Address, identity: str, problem: str, declared: Declared | None = None) -> Violation:
    """P107: an object cannot be adopted under this address."""
    return Violation(
        code="P107",
        address=address,
        summary="The object cannot be imported",
        detail=f"{identity} cannot become {address}: {problem}.",
        where=place(declared),
    )


def alias_taken(
    address: Address, identity: str, holder: str, declared: Declared | None, *, recorded: bool = False
) -> Violation:
    """P108: the alias points at a key that is not managed here."""
    let_go = f" Or let it go here: removed: [{{address: {address}, forget: true}}]." if recorded else ""
    return Violation(
        code="P108",
        address=address,
        summary="The alias belongs to another key",
        detail=f"{identity} exists and points at {holder}, which this configuration does not manage; moving or "
        "deleting it would take it from whoever uses it. Choose another name, or import that key, or delete the alias "
        f"where it is managed.{let_go}",
        where=place(declared),
    )


def protected(address: Address) -> Violation:
    """P109: something protected would be deleted."""
    what = "instance" if kind_of(address) == "instance" else "key"
    lead = "Two reviewed steps lead there"
    if what == "key":
        lead = f"Let it go in stages, one in each apply: removed: [{{address: {address}, destroy: staged}}]. Or in "
        lead += "two reviewed steps"
    return Violation(
        code="P109",
        address=address,
        summary=f"The {what} is protected from deletion",
        detail=f"{address} has deletion protection, so it is not deleted in one step.{_renamed(address)} "
        f"{lead}: set deletion_protection: false on the {what} and apply that; then remove it and apply again. Or keep "
        f"it, or stop managing it with removed: [{{address: {address}, forget: true}}].",
    )


def _renamed(address: Address) -> str:
    """Tell of the way that a new name takes: without it, it is one object that goes and another that comes."""
    kind = kind_of(address)
    named = kind in ("key", "instance")
    return f" If it only has another name now, say so: moved: [{{from: {address}, to: {kind}.NAME}}]." if named else ""


_REMEDIES: Final = {
    "key": "Put the old value back, declare a second key under a new name, or say on_replace: succeed to make a "
    "successor, move the aliases to it, and keep the old key, disabled.",
    "default_key": "Put the old value back: an account has one default CMK in a region. Or declare a key in an "
    "instance and move to it.",
}


def needs_material(address: Address, names: Sequence[str], declared: Declared) -> Violation:
    """P110: a change that only a new object can carry."""
    changed = f"{' and '.join(names)} cannot change in an existing {kind_of(address)}"
    remedy = _REMEDIES.get(
        kind_of(address), "Put the old value back, or declare a second one under a new name and move to it."
    )
    return Violation(
        code="P110",
        address=address,
        summary="The change needs a new object",
        detail=f"{address}: {changed}; what was encrypted with it cannot follow. {remedy}",
        where=place(declared),
    )


def not_empty(address: Address, inside: Sequence[str]) -> Violation:
    """P111: releasing an instance would destroy keys."""
    return Violation(
        code="P111",
        address=address,
        summary="The instance still holds keys",
        detail=f"Releasing {address} destroys every key in it at once, and it holds {some(inside)}, which this plan "
        f"does not delete.{_renamed(address)} Declare {address} again, or leave it out of this run with --exclude "
        f"{address}, and deal with those keys first: import and remove them, or move them elsewhere.",
    )


def not_offered(address: Address, what: str, offer: str, declared: Declared) -> Violation:
    """P112: declared and valid, and the provider cannot do it."""
    return Violation(
        code="P112",
        address=address,
        summary="Not offered here",
        detail=f"{address} is {what}: declared and valid, but {offer} does not offer it. Remove it, or use an "
        "engine that offers it.",
        where=place(declared),
    )


def state_forbids(address: Address, operation: str, state: str, code: str, declared: Declared) -> Violation:
    """P113: the KMS's state table rejects an operation that the change needs."""
    return Violation(
        code="P113",
        address=address,
        summary="The key's state does not allow the change",
        detail=f"{address} needs {operation}, which the KMS rejects while a key is {state} ({code}). Enable the key "
        "in the same change (enabled: true), or leave that attribute as it is until the key is enabled.",
        where=place(declared),
    )


def bad_move(old: Address, new: Address, problem: str) -> Violation:
    """P114: a moved block cannot be carried out. It concerns two addresses, so that no target leaves it aside."""
    return Violation(
        code="P114",
        address=None,
        summary="The record cannot be moved",
        detail=f"moved: {{from: {old}, to: {new}}}: {problem}.",
    )


def removed_and_declared(address: Address, declared: Declared) -> Violation:
    """P115: one address is both declared and to be forgotten."""
    return Violation(
        code="P115",
        address=address,
        summary="Both declared and removed",
        detail=f"{address} is declared and also stands under removed. Delete one of the two.",
        where=place(declared),
    )


def unknown_pattern(flag: str, pattern: str, near: Sequence[str]) -> Violation:
    """P116: a target or exclude that matches nothing."""
    hint = f" Did you mean {' or '.join(near)}?" if near else " kmsplan state list shows what there is."
    return Violation(
        code="P116",
        address=None,
        summary="Nothing has this address",
        detail=f"{flag} {pattern} matches nothing that is declared or recorded.{hint}",
    )


def no_service_key(address: Address, alias: str, declared: Declared) -> Violation:
    """P117: a service key is declared, and its service has none."""
    return Violation(
        code="P117",
        address=address,
        summary="The service has no key yet",
        detail=f"{address} is declared, but there is no service key with the alias {alias}: a cloud service makes its "
        "key when it first encrypts with it, and nobody else can. Use the service's encryption once, and plan again; "
        "in the embedded engine, kmsplan engine service-key plays the service. Or leave the key out of this run with "
        f"--exclude {address}.",
        where=place(declared),
    )


def default_key_taken(address: Address, identity: str, state: str, declared: Declared) -> Violation:
    """P118: the default CMK is to be enabled, and somebody has done so."""
    return Violation(
        code="P118",
        address=address,
        summary="The default CMK is enabled already",
        detail=f"An account has one default CMK in a region, and {identity} is it already ({state}); this "
        f"configuration does not manage it. Take it over with import: [{{address: {address}, identity: {identity}}}], "
        "or do not declare it.",
        where=place(declared),
    )


def migrated_key(address: Address, identity: str, declared: Declared) -> Violation:
    """P119: the key that is declared is one of KMS 1.0."""
    return Violation(
        code="P119",
        address=address,
        summary="The key was migrated from KMS 1.0",
        detail=f"{address} is {identity}, which was migrated from KMS 1.0: it is read, and nothing else is possible, "
        "so not even a tag can be set on it. Do not declare it; the service goes on using it.",
        where=place(declared),
    )


def recorded_twice(identity: str, first: Address, second: Address) -> Violation:
    """P122: two records are of one object."""
    return Violation(
        code="P122",
        address=None,
        summary="One object is recorded twice",
        detail=f"{identity} is recorded as {first} and as {second}: what is asked of one would be done to both, and to "
        "take one out of the configuration would delete the other's key. Drop the record that is wrong with kmsplan "
        "state rm, which leaves the object alone.",
    )


def broken_policy(address: Address, detail: str, where: str) -> Violation:
    """P121: what the plan leads to, or a change of it, breaks a rule of the policy."""
    return Violation(code="P121", address=address, summary="A rule of the policy is broken", detail=detail, where=where)
