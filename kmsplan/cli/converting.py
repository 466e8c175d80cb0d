"""`kmsplan import --terraform`: a Terraform state becomes a configuration. The KMS is not asked, so no credentials."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kmsplan.adopt.engine import engine_section
from kmsplan.adopt.files import FROM_TERRAFORM
from kmsplan.adopt.terraform.convert import convert, regions
from kmsplan.adopt.terraform.document import TerraformStateError, read
from kmsplan.adopt.terraform.forgetting import FILE, script
from kmsplan.adopt.terraform.mapping import PREFIX, RESOURCES
from kmsplan.cli.drafting import Drafts, drafted, require_empty, written
from kmsplan.cli.failure import UserError
from kmsplan.config.folder import holds_configuration
from kmsplan.kms.wording import counted
from kmsplan.report.escape import escape

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    from kmsplan.adopt.inventory import Inventory
    from kmsplan.adopt.terraform.convert import Converted
    from kmsplan.adopt.terraform.document import Resource
    from kmsplan.cli.options import Variables
    from kmsplan.cli.session import Session
    from kmsplan.resource.offer import Offer


def convert_state(
    session: Session, variables: Variables, content: bytes, out: Path, *, region: str | None, lineages: Collection[str]
) -> int:
    """Write what a state holds as a configuration, and say what was left out.

    Raises:
        UserError: this is no state, its region is not known, or the folder cannot be written.
        ConfigurationError: there is a configuration here, and it has errors.
    """
    require_empty(out)
    try:
        resources = read(content)
    except TerraformStateError as error:
        raise UserError(str(error), error.remedy) from error
    if not any(resource.type.startswith(PREFIX) for resource in resources):
        raise UserError(
            f"the state holds nothing of a KMS: no {', '.join(RESOURCES)}",
            "Name the state of the configuration that makes the keys; terraform state pull prints a backend's.",
        )
    engine = _engine(session, variables, resources, region)
    converted = convert(resources, engine.get("alibaba", {}).get("region"))
    with drafted(out) as folder, session.phase("Writing the configuration"):
        drafts = Drafts(
            engine=engine, offer=_offer(engine), observed=converted.observed, source=FROM_TERRAFORM, folder=folder
        )
        inventory = drafts.settle(lambda refused: converted.inventory(lineages=lineages, refused=refused))
        (folder / FILE).write_text(script(inventory, converted.places), encoding="utf-8")
    _report(session, converted, inventory, out)
    session.note(f"The KMS is {_reached(engine)}; {out / 'kmsplan.yaml'} says how it is reached.")
    session.hint(f"Next: kmsplan -C {out} plan")
    return 0


def _reached(engine: Mapping[str, Any]) -> str:
    cloud = engine.get("alibaba")
    if cloud is None:
        return "the embedded engine of the configuration here"
    place = f"at {cloud['endpoint']}" if cloud.get("endpoint") else f"Alibaba Cloud's in {cloud['region']}"
    return escape(place)


def _engine(
    session: Session, variables: Variables, resources: Sequence[Resource], region: str | None
) -> Mapping[str, Any]:
    """Return how the KMS is reached: as the configuration here says, else in the one region of the state.

    Raises:
        UserError: the state has none, or several, and none was named.
    """
    if region is None and holds_configuration(session.directory):
        return engine_section(session.configuration(variables).engine)
    found = regions(resources)
    if region is None and len(found) != 1:
        told = f"keys of {len(found)} regions, {escape(', '.join(found))}" if found else "no key that tells its region"
        raise UserError(
            f"the state holds {told}",
            "A configuration manages one region. Name it with --region, and convert the others into folders of their "
            "own; or run this where a configuration says `engine`.",
        )
    return {"alibaba": {"region": region or found[0]}}


def _offer(engine: Mapping[str, Any]) -> Offer:
    if "alibaba" in engine:
        from kmsplan.provider.alibaba.offer import OFFER as CLOUD  # noqa: PLC0415

        return CLOUD
    from kmsplan.provider.embedded import OFFER  # noqa: PLC0415

    return OFFER


def _report(session: Session, converted: Converted, inventory: Inventory, out: Path) -> None:
    session.say(written(inventory, out))
    if inventory.left_out:
        session.note(f"Left out: {len(inventory.left_out)}. {out / 'import.yaml'} says which, and why.")
    if inventory.notes:
        session.note(f"Not taken over: {len(inventory.notes)}. {out / 'kmsplan.yaml'} says what, and why.")
    for line in inventory.todo:
        session.note(f"To be filled in: {escape(line)}.")
    if converted.others:
        session.note(f"{counted(converted.others, 'resource')} of other kinds: they stay with Terraform.")
