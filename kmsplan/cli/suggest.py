"""What a shell's completion suggests. It reads a few files, asks nobody, and suggests nothing where they are wrong."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import click

    Suggest = Callable[[click.Context, click.Parameter, str], list[str]]


def _quietly(found: Callable[[Path], Iterable[str]]) -> Suggest:
    """Return a completion of what is found in the configuration folder of a command line."""

    def suggest(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
        del parameter
        folder = ctx.find_root().params.get("directory") or Path()
        try:
            return sorted({name for name in found(Path(folder)) if name.startswith(incomplete)})
        except Exception:  # noqa: BLE001 - whoever types must not be disturbed
            return []

    return suggest


def _declared(folder: Path) -> Iterator[str]:
    from kmsplan.config.outline import addresses  # noqa: PLC0415 - only for a completion, as below

    for text in _texts(folder):
        yield from addresses(text)


def _recorded(folder: Path) -> Iterable[str]:
    import orjson  # noqa: PLC0415

    from kmsplan.config.outline import state_path  # noqa: PLC0415

    named = (state_path(text) for text in _texts(folder))
    path = folder / next((path for path in named if path), "state") / "kmsplan.state.json"
    if not path.exists():
        return ()
    records: Iterable[str] = orjson.loads(path.read_bytes()).get("records", ())  # an encrypted one has none
    return records


def _texts(folder: Path) -> list[str]:
    paths = sorted(path for pattern in ("*.yaml", "*.yml") for path in folder.glob(pattern))
    return [path.read_text(encoding="utf-8", errors="replace") for path in paths]


def _aliases(folder: Path) -> Iterator[str]:
    for address in {*_recorded(folder), *_declared(folder)}:
        kind, _, name = address.partition(".")
        if kind == "alias":
            yield f"alias/{name}"


def _operations(folder: Path) -> Iterable[str]:
    from kmsplan.kms.settling import OPERATIONS  # noqa: PLC0415

    del folder
    return OPERATIONS


addresses = _quietly(lambda folder: {*_recorded(folder), *_declared(folder)})
"""Whatever is recorded or declared."""
recorded = _quietly(_recorded)
unrecorded = _quietly(lambda folder: {*_declared(folder)} - {*_recorded(folder)})
"""What is declared and not recorded: what can be imported."""
aliases = _quietly(_aliases)
"""Aliases as the API names them."""
operations = _quietly(_operations)
