"""The blast radius for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kmsplan.plan.rules import some

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kmsplan.plan.plan import Blast

_SHOWN: Final = 10


def blast_lines(blast: Blast) -> Iterator[str]:
    """Yield who would notice, and when the key was last used."""
    if blast.holds:
        yield f"in it: {some(blast.holds, _SHOWN)}"
        return
    aliases = (*blast.aliases, *(f"{alias} (unmanaged)" for alias in blast.unmanaged))
    if aliases:
        yield f"aliases: {some(aliases, _SHOWN)}"
    if blast.used_by:
        yield f"used by: {some(blast.used_by, _SHOWN)}"
    yield f"last use: {_last_use(blast)}"
    if blast.versions is not None:
        yield f"versions: {blast.versions}"
    if blast.encryptions is not None:
        most = f"at most {blast.encryptions:,}" if blast.encryptions else "none"
        yield f"ciphertexts and data keys under it: {most}"


def _last_use(blast: Blast) -> str:
    if blast.tracked_since is None and blast.last_used is None:
        return "not known, which counts as used"
    tracked = f"tracked since {blast.tracked_since}" if blast.tracked_since else "tracked by the KMS"
    return f"{blast.last_used or 'none'}, {tracked}"
