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
from kmsplan.resource.address import kind_of
from kmsplan.resource.value import Present

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from kmsplan.adopt.inventory import Inventory
    from kmsplan.cli.session import Session
    from kmsplan.config.configuration import Configuration
    from kmsplan.resource.address import Address
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
    with drafted(out) as folder, session.phase("Writing the configuration", total=len(observed.others)):
        engine = engine_section(configuration.engine)
        drafts = Drafts(engine=engine, offer=offer, observed=observed, source=FROM_KMS, folder=folder)
        inventory = drafts.settle(lambda refused: take(observed, replace(wanted, refused=refused)))
    taken = {one.identity for one in inventory.objects}
    owned = any(present.owner and present.identity not in taken for present in observed.others)
    _report(session, inventory, out, owned=owned)
    return 0


def _report(session: Session, inventory: Inventory, out: Path, *, owned: bool) -> None:
    session.say(written(inventory, out))
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
