"""Writing the configuration of what a KMS holds: into a folder that is new or empty, whole or not at all."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

from kmsplan.adopt.checking import changed, unreadable
from kmsplan.adopt.engine import engine_section, known_secrets
from kmsplan.adopt.files import files, snippet
from kmsplan.adopt.inventory import Inventory, Wanted, declaration, take
from kmsplan.cli.failure import UserError
from kmsplan.cli.init import IGNORE
from kmsplan.cli.planning import reading
from kmsplan.cli.session import entropy, now
from kmsplan.config.diagnostic import ConfigurationError
from kmsplan.config.load import load
from kmsplan.resource.address import kind_of
from kmsplan.resource.value import Present

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from kmsplan.cli.session import Session
    from kmsplan.config.configuration import Configuration
    from kmsplan.provider.protocol import Reader
    from kmsplan.resource.address import Address
    from kmsplan.resource.value import Observed
    from kmsplan.state.record import Recorded


def write_everything(session: Session, configuration: Configuration, out: Path, lineages: Collection[str]) -> int:
    """Write what the KMS holds as a configuration, and say what was left out.

    Raises:
        UserError: the folder holds something, or cannot be written.
    """
    _require_empty(out)
    draft = out.absolute().with_name(f".{out.absolute().name}.{entropy(4).hex()}")
    with reading(session, configuration) as reader:
        observed = reader.observe(())
        try:
            inventory = _Drafts(configuration, reader, observed, draft).settle(lineages)
            draft.rename(out.absolute())
        except OSError as error:
            raise UserError(
                f"{out} cannot be written: {error.strerror}", "Name a new or empty folder that you can write."
            ) from error
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    taken = {one.identity for one in inventory.objects}
    owned = any(present.owner and present.identity not in taken for present in observed.others)
    _report(session, inventory, out, owned=owned)
    return 0


def _require_empty(out: Path) -> None:
    if out.is_dir() and not any(out.iterdir()):
        return
    if out.exists() or out.is_symlink():
        raise UserError(f"{out} holds something already", "import never overwrites a file. Name a new or empty folder.")


class _Drafts:
    """Drafts of the configuration, each of which leaves out what the one before could not adopt."""

    def __init__(self, configuration: Configuration, reader: Reader, observed: Observed, folder: Path) -> None:
        self._engine = engine_section(configuration.engine)
        self._secrets = known_secrets(configuration)
        self._tells_hsm = configuration.engine.provider == "embedded"
        self._offer = reader.offer
        self._observed = observed
        self._folder = folder

    def settle(self, lineages: Collection[str]) -> Inventory:
        """Write drafts until a plan of one adopts everything in it, and does nothing else; return what is in it."""
        wanted = Wanted(lineages=lineages, secrets=self._secrets, tells_hsm=self._tells_hsm)
        while True:
            inventory = take(self._observed, wanted)
            refused = self._write(inventory)
            if not refused:
                return inventory
            if refused.keys() <= wanted.refused.keys():
                raise AssertionError(f"{refused} was left out already; this is a bug in kmsplan")
            wanted = replace(wanted, refused={**wanted.refused, **refused})

    def _write(self, inventory: Inventory) -> dict[str, str]:
        """Write one draft, read it and plan; return what keeps objects out of it, by identity."""
        self._folder.mkdir(parents=True, exist_ok=True)
        texts = files(inventory, self._engine)
        for path in self._folder.glob("*.yaml"):
            path.unlink()
        for name, text in {**texts, ".gitignore": IGNORE}.items():
            (self._folder / name).write_text(text, encoding="utf-8")
        try:
            configuration = load(self._folder, variables={}, variable_files=(), environ={})
        except ConfigurationError as error:
            refused = unreadable(error.diagnostics, inventory)
            if not refused:
                raise
            return refused
        return changed(configuration, inventory, self._observed, self._offer, now())


def _report(session: Session, inventory: Inventory, out: Path, *, owned: bool) -> None:
    counts = {kind: sum(kind_of(one.address) == kind for one in inventory.objects) for kind in ("instance", "key")}
    aliases = sum(len(one.written.get("aliases", ())) for one in inventory.objects)
    others = len(inventory.objects) - sum(counts.values())
    session.say(
        f"Wrote {counts['instance']} instances, {counts['key']} keys, {others} default and service keys and "
        f"{aliases} aliases to {out}."
    )
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
