"""Drafts of a configuration: each leaves out what the one before could not adopt, until a plan of it adopts all."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kmsplan.adopt.checking import changed, unreadable
from kmsplan.adopt.files import files
from kmsplan.cli.failure import UserError
from kmsplan.cli.init import IGNORE
from kmsplan.cli.session import entropy, now
from kmsplan.config.diagnostic import ConfigurationError
from kmsplan.config.load import load
from kmsplan.kms.wording import counted
from kmsplan.resource.address import kind_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from kmsplan.adopt.inventory import Inventory
    from kmsplan.resource.offer import Offer
    from kmsplan.resource.value import Observed


@contextmanager
def drafted(out: Path) -> Iterator[Path]:
    """Give a folder to write drafts into; it becomes `out` at the end, unless something fails.

    Raises:
        UserError: `out` holds something, or cannot be written.
    """
    require_empty(out)
    draft = out.absolute().with_name(f".{out.absolute().name}.{entropy(4).hex()}")
    try:
        yield draft
        draft.rename(out.absolute())
    except OSError as error:
        raise UserError(
            f"{out} cannot be written: {error.strerror}", "Name a new or empty folder that you can write."
        ) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def require_empty(out: Path) -> None:
    """Want a folder that is new or empty.

    Raises:
        UserError: it holds something.
    """
    if out.is_dir() and not any(out.iterdir()):
        return
    if out.exists() or out.is_symlink():
        raise UserError(f"{out} holds something already", "import never overwrites a file. Name a new or empty folder.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Drafts:
    """What the drafts are made of."""

    engine: Mapping[str, Any]
    """The configuration's section of this name."""
    offer: Offer
    observed: Observed
    """What the KMS holds."""
    source: str
    """A sentence on where that is from."""
    folder: Path

    def settle(self, take: Callable[[Mapping[str, str]], Inventory]) -> Inventory:
        """Write drafts until a plan of one adopts everything in it, and does nothing else; return what is in it.

        Args:
            take: gives the inventory less what is refused, by identity with the reason.
        """
        refused: dict[str, str] = {}
        while True:
            inventory = take(refused)
            found = self._write(inventory)
            if not found:
                return inventory
            if found.keys() <= refused.keys():
                raise AssertionError(f"{found} was left out already; this is a bug in kmsplan")
            refused |= found

    def _write(self, inventory: Inventory) -> dict[str, str]:
        """Write one draft, read it and plan; return what keeps objects out of it, by identity."""
        self.folder.mkdir(parents=True, exist_ok=True)
        texts = files(inventory, self.engine, self.source)
        for path in self.folder.glob("*.yaml"):
            path.unlink()
        for name, text in {**texts, ".gitignore": IGNORE}.items():
            (self.folder / name).write_text(text, encoding="utf-8")
        try:
            configuration = load(self.folder, variables={}, variable_files=(), environ={})
        except ConfigurationError as error:
            refused = unreadable(error.diagnostics, inventory)
            if not refused:
                raise
            return refused
        return changed(configuration, inventory, self.observed, self.offer, now())


def written(inventory: Inventory, out: Path) -> str:
    """Return the sentence that says what was written."""
    counts = {kind: sum(kind_of(one.address) == kind for one in inventory.objects) for kind in ("instance", "key")}
    aliases = sum(len(one.written.get("aliases", ())) for one in inventory.objects)
    others = len(inventory.objects) - sum(counts.values())
    return (
        f"Wrote {counted(counts['instance'], 'instance')}, {counted(counts['key'], 'key')}, "
        f"{counted(others, 'default or service key')} and {counted(aliases, 'alias', 'aliases')} to {out}."
    )
