"""Writing the configuration of what a KMS holds: into a folder that is new or empty, whole or not at all."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from kmsplan.adopt.engine import engine_section, known_secrets
from kmsplan.adopt.files import FROM_KMS, snippet
from kmsplan.adopt.inventory import Wanted, declaration, take
from kmsplan.cli.drafting import Drafts, drafted, require_empty, written
from kmsplan.cli.failure import UserError
from kmsplan.cli.planning import reading
from kmsplan.kms.error import KmsError
from kmsplan.kms.wording import counted
from kmsplan.provider.protocol import Tokens
from kmsplan.resource.address import kind_of
from kmsplan.resource.value import Present

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from kmsplan.adopt.inventory import Inventory
    from kmsplan.cli.session import Session
    from kmsplan.config.configuration import Configuration
    from kmsplan.resource.address import Address
    from kmsplan.resource.hsmobject import HsmObject
    from kmsplan.resource.value import Observed
    from kmsplan.state.record import Recorded


def write_everything(session: Session, configuration: Configuration, out: Path, lineages: Collection[str]) -> int:
    """Write what the KMS holds as a configuration, and say what was left out.

    Raises:
        UserError: the folder holds something, or cannot be written.
    """
    require_empty(out)
    secrets, tells_hsm = known_secrets(configuration), configuration.engine.provider == "embedded"
    wanted = Wanted(lineages=lineages, secrets=secrets, tells_hsm=tells_hsm)
    with reading(session, configuration) as reader:
        observed, offer = reader.observe(()), reader.offer
        if isinstance(reader, Tokens):
            wanted = _with_hsm_objects(wanted, observed, reader)
    with drafted(out) as folder, session.phase("Writing the configuration", total=len(observed.others)):
        engine = engine_section(configuration.engine)
        drafts = Drafts(engine=engine, offer=offer, observed=observed, source=FROM_KMS, folder=folder)
        inventory = drafts.settle(lambda refused: take(observed, replace(wanted, refused=refused)))
    taken = {one.identity for one in inventory.objects}
    owned = any(present.owner and present.identity not in taken for present in observed.others)
    _report(session, inventory, out, owned=owned)
    return 0


def _with_hsm_objects(wanted: Wanted, observed: Observed, tokens: Tokens) -> Wanted:
    """Ask each HSM once for the keys in it that are none of the KMS's, where it is said how it is reached."""
    found: list[HsmObject] = []
    unasked: dict[str, str] = {}
    asked: set[tuple[str, str]] = set()
    for instance in sorted(observed.others, key=lambda present: present.identity):
        hsm = instance.attributes.get("hsm") if instance.kind == "instance" else None
        token = (str(hsm["module"]), str(hsm["token"])) if hsm else None
        if token is None or token in asked:
            continue
        asked.add(token)
        if token not in wanted.secrets.pins:
            unasked[instance.identity] = (
                f"they were not looked at: this configuration does not declare the instance of token {token[1]!r}, and "
                "so not its PIN"
            )
            continue
        try:
            found += tokens.hsm_objects(instance.identity)
        except KmsError as error:
            unasked[instance.identity] = f"they could not be looked at: {error}"
    return replace(wanted, hsm_objects=found, unasked=unasked)


def _report(session: Session, inventory: Inventory, out: Path, *, owned: bool) -> None:
    session.say(written(inventory, out))
    made = sum(one.made for one in inventory.objects)
    if made:
        session.note(f"{counted(made, 'key')} of these the apply makes: each stands for an object that is in an HSM.")
    if inventory.left_out:
        session.note(f"Left out: {len(inventory.left_out)}. {out / 'import.yaml'} says which, and why.")
    for line in inventory.todo:
        session.note(f"To be filled in: {line}.")
    if owned:
        session.hint(f"The KMS also serves other configurations, so begin with: kmsplan -C {out} state init")
    session.hint(f"Next: kmsplan -C {out} plan")


def proposal(
    observed: Observed, configuration: Configuration, recorded: Recorded, address: Address, identity: str
) -> str:
    """Return the declaration of one object as it is, with the address that it is to have; "" where there is none.

    Raises:
        UserError: it is of another kind.
    """
    present = observed.objects.get(identity)
    if not isinstance(present, Present):
        return ""
    if present.kind != kind_of(address):
        raise UserError(
            f"{identity} cannot become {address}: its kind is {present.kind}",
            f"Nothing was changed. Declare it under an address of its kind: {present.kind}.NAME.",
        )
    addresses = {record.identity: record.address for record in recorded.records.values()}
    found = declaration(
        present, replace(observed, others=(*observed.others, present)), addresses, address, known_secrets(configuration)
    )
    return snippet(found)
