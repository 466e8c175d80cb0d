"""A desired object without a record: make it, or adopt the one that is already there."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from kmsplan.kms.lifecycle import KeyState
from kmsplan.kms.naming import service_alias
from kmsplan.plan import rules
from kmsplan.plan.diff import SETTINGS, complete, differences
from kmsplan.plan.owning import foreign_to, owner_steps
from kmsplan.plan.plan import Action, Change, Reason
from kmsplan.plan.updating import checked, consequence, material_differences, settled
from kmsplan.plan.verdict import Verdict, refused, unreadable
from kmsplan.plan.versions import later_note
from kmsplan.resource.address import Address, kind_of, name_of
from kmsplan.resource.alias import identity_of
from kmsplan.resource.kinds import KINDS
from kmsplan.resource.step import Effect, Status
from kmsplan.resource.value import Present, Unreadable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kmsplan.config.configuration import Declared
    from kmsplan.plan.situation import Situation
    from kmsplan.resource.attribute import Kind


def arrive(situation: Situation, declared: Declared) -> Verdict:
    """Decide on a desired object that nothing is recorded of."""
    address = declared.address
    if address in situation.imports:
        return _imported(situation, declared, situation.imports[address])
    kind = kind_of(address)
    if kind == "alias":
        return _alias(situation, declared)
    claimed = claim(situation, declared)
    if claimed is not None:
        return claimed
    if kind == "service_key":
        return _service_key(situation, declared)
    return taken_default(situation, declared) or Verdict(create(declared, Reason.NEW))


def claim(situation: Situation, declared: Declared) -> Verdict | None:
    """Return the adoption of an unrecorded object whose owner tag names this address; None where there is none."""
    address = declared.address
    found = situation.claims.get(address, ())
    # One that waits for its deletion is taken back only if nothing else claims the address.
    living = tuple(present for present in found if present.state != KeyState.PENDING_DELETION) or found
    if not living:
        return None
    if len(living) > 1:
        change = create(declared, Reason.NEW)
        return refused(change, rules.two_claims(address, [present.identity for present in living]))
    return adopt(situation, declared, living[0], Reason.OWNED)


def create(declared: Declared, reason: Reason, *, identity: str | None = None, note: str | None = None) -> Change:
    """Return the change that makes a new object; `identity` is that of one it takes the place of."""
    kind = KINDS[kind_of(declared.address)]
    after = complete(kind, declared.attributes)
    return Change(
        address=declared.address,
        action=Action.CREATE,
        reason=reason,
        identity=identity_of(declared.address) if kind.name == "alias" else identity,
        after=after,
        attributes=tuple(name for name, value in after.items() if value is not None),
        steps=kind.create(declared.address, after),
        note=note or "; ".join(filter(None, (_stands_for(after), later_note(after)))) or None,
    )


def _stands_for(after: Mapping[str, Any]) -> str | None:
    """Return what is to be said of a key whose material is there already."""
    named = after.get("hsm_object")
    return named and f"it stands for object {named}, which is in the token already and stays as it is"


def adopt(situation: Situation, declared: Declared, present: Present, reason: Reason) -> Verdict:
    """Return the change that records an existing object and then brings it to what is desired."""
    kind = KINDS[present.kind]
    desired = complete(kind, declared.attributes)
    before = {**complete(kind, situation.localised(present)), **_settings(kind, desired)}
    after = settled(kind, desired, before)
    change = Change(
        address=declared.address,
        action=Action.ADOPT,
        reason=reason,
        identity=present.identity,
        before=before,
        after=after,
        attributes=differences(kind, before, after),
        note="; ".join(filter(None, (_taken_over(situation, present), consequence(before, after)))) or None,
        effect=Effect(
            attributes=before,
            status=Status.PENDING_DELETION if present.state == KeyState.PENDING_DELETION else None,
        ),
    )
    foreign = foreign_to(situation, declared.address, present, declared)
    if foreign:
        return refused(change, foreign)
    replaced = material_differences(kind, before, after)
    if replaced:
        problem = f"its {' and '.join(replaced)} cannot become what is declared; declare what it is"
        return refused(change, rules.bad_import(declared.address, present.identity, problem, declared))
    steps = (*_bring(kind, present, before, after), *owner_steps(situation, declared.address, present, "imported"))
    return checked(Verdict(replace(change, steps=steps)), present, declared)


def _taken_over(situation: Situation, present: Present) -> str | None:
    """Say whose an object is that another configuration gives up: a reviewer sees the plan alone."""
    given_up = present.owner if present.owner and not situation.is_marked(present) else None
    return given_up and f"it is taken over from the configuration whose owner tag it carries, {given_up}"


def _bring(kind: Kind, present: Present, before: dict[str, Any], after: dict[str, Any]) -> tuple[Any, ...]:
    if present.state == KeyState.PENDING_DELETION and kind.restore is not None:
        return kind.restore(present.identity, before, after)
    return kind.update(present.identity, before, after) if differences(kind, before, after) else ()


def _settings(kind: Kind, desired: dict[str, Any]) -> dict[str, Any]:
    return {name: desired[name] for name in SETTINGS[kind.name]}


def _imported(situation: Situation, declared: Declared, identity: str) -> Verdict:
    address, found = declared.address, situation.observe(identity)
    if isinstance(found, Unreadable):
        return unreadable(address, identity, found)
    problem = _import_problem(situation, address, identity, found)
    if problem or not isinstance(found, Present):
        change = Change(address=address, action=Action.ADOPT, reason=Reason.IMPORTED, identity=identity)
        return refused(change, rules.bad_import(address, identity, problem or "the KMS knows no such object", declared))
    return adopt(situation, declared, found, Reason.IMPORTED)


def _import_problem(situation: Situation, address: Address, identity: str, found: object) -> str | None:
    if identity in situation.addresses:
        return f"it is managed already, as {situation.addresses[identity]}"
    if not isinstance(found, Present):
        return "the KMS knows no such object"
    if found.identity != identity:  # an ARN: under two names, one key would be recorded, and deleted, twice
        return f"that is another name of {found.identity}; import it by that one"
    if found.migrated:
        return "it was migrated from KMS 1.0, so that it is read and nothing else; no configuration can manage it"
    if found.kind != kind_of(address):
        return f"its kind is {found.kind}"
    if found.kind == "alias" and identity != identity_of(address):
        return f"an alias's address is its name, so it can only become alias.{identity.removeprefix('alias/')}"
    return None


def _service_key(situation: Situation, declared: Declared) -> Verdict:
    """A service's key is there or not: its service makes it, and its alias tells which it is."""
    alias = situation.others.get(service_alias(name_of(declared.address)))
    key = situation.others.get(str(alias.attributes["key"])) if alias else None
    if key is None or key.kind != "service_key":
        return lacking(declared)
    if key.migrated:
        change = Change(address=declared.address, action=Action.ADOPT, reason=Reason.SERVICE, identity=key.identity)
        return refused(change, rules.migrated_key(declared.address, key.identity, declared))
    return adopt(situation, declared, key, Reason.SERVICE)


def lacking(declared: Declared) -> Verdict:
    """Return the refusal of a service key that its service has not made."""
    change = create(declared, Reason.NEW)
    return refused(change, rules.no_service_key(declared.address, service_alias(name_of(declared.address)), declared))


def taken_default(situation: Situation, declared: Declared) -> Verdict | None:
    """There is one default CMK: where somebody has enabled it, it is taken over only if that is said."""
    if kind_of(declared.address) != "default_key":
        return None
    found = next((present for present in situation.others.values() if present.kind == "default_key"), None)
    if found is None:
        return None
    violation = rules.default_key_taken(declared.address, found.identity, found.state, declared)
    return refused(create(declared, Reason.NEW), violation)


def _alias(situation: Situation, declared: Declared) -> Verdict:
    """An alias's identity is its name, so an unrecorded one may exist already, and may be somebody else's."""
    identity = identity_of(declared.address)
    found = situation.others.get(identity)
    if found is None:
        return Verdict(create(declared, Reason.NEW))
    holder = found.attributes["key"]
    if holder in situation.addresses:
        return adopt(situation, declared, found, Reason.OWNED)
    key = situation.others.get(holder)
    owner = f"{holder}, owned by {key.owner}" if key and key.owner else holder
    change = create(declared, Reason.NEW)
    return refused(change, rules.alias_taken(declared.address, identity, owner, declared))
