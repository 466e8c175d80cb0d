"""A site whose engine is served by two workers, and used over several connections at once."""

from __future__ import annotations

import json
import os
import shutil
import signal
from base64 import b64decode
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from kmsplan.engine import checkpoint
from kmsplan.engine.keystore import line, rounds, spool, spools
from kmsplan.kms.error import KmsError
from tests.crash.asking import OFF, OK, ON, RECORDED, USES, Answer, Client, use_keys
from tests.crash.holdings import open_engine
from tests.crash.served import Serving
from tests.crash.site import HOME
from tests.signing import Signer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from kmsplan.engine.service import Engine
    from tests.crash.forked import Place

_SPOOL_BYTES: Final = 7168
"""Room for a few entries: a spool is full, brought in and filled again several times."""
_ADAPTED: Final = (
    (spool, "SIZE", _SPOOL_BYTES),
    (spools, "SIZE", _SPOOL_BYTES),
    (checkpoint, "EVERY", 16),
    (rounds, "QUICK", 60.0),
    (line, "_TRIES", 2000),
)


class Answering(Serving):
    """The same with two workers, and the program uses keys: what it was answered has to be in the trail afterwards."""

    workers = 2

    def adapt(self) -> None:
        """Let spools be small, and checkpoints many; and nothing be thought slow, which a traced process is."""
        for module, name, value in _ADAPTED:
            setattr(module, name, value)

    def copy(self, prepared: Path, root: Path) -> None:
        """Let nothing be served yet, and no spool be there."""
        super().copy(prepared, root)
        for folder in (root / HOME).rglob(spools.FOLDER):
            shutil.rmtree(folder)
        _kept(root).touch()

    def command(self, place: Place, arguments: Sequence[str]) -> Callable[[], int]:
        """Use keys instead of the command."""
        del arguments
        kept = _kept(place.root)

        def use() -> int:
            place.enter()
            signer = Signer(self.endpoint, self.key["access_key_id"], self.key["access_key_secret"])
            with kept.open("w", encoding="utf-8") as file:
                try:
                    use_keys(Client(signer, file.fileno()), self._kill_workers)
                except ConnectionRefusedError:  # nobody serves any more
                    return 1
            return 0

        return use

    def remove(self, root: Path) -> None:
        """End the server, and forget the answers."""
        super().remove(root)
        _kept(root).unlink(missing_ok=True)

    def wrongs(self, root: Path) -> tuple[list[str], list[str], list[str]]:
        """Return which answers are not in the trail, which are there twice, and what else does not fit them."""
        answers = [Answer(**json.loads(row)) for row in _kept(root).read_text(encoding="utf-8").splitlines()]
        engine = open_engine()
        try:
            entries = [entry for entry in engine.audit_entries() if entry["action"] in RECORDED]
            unopened = list(_unopened(engine, answers))
        finally:
            engine.close()
        places = {entry["request_id"]: entry for entry in entries}
        lost = [f"{one} is not in the trail" for one in answers if one.counts and not one.is_in(places)]
        doubled = [name for name, count in Counter(entry["request_id"] for entry in entries).items() if count > 1]
        wrong = [*_while_disabled(entries), *_out_of_order(answers, places)]
        return lost + unopened, [f"{name} is in the trail twice" for name in doubled], wrong

    def _kill_workers(self) -> None:
        """Kill those that answer, so that others take over their spools."""
        children = Path(f"/proc/{self.server}/task/{self.server}/children")
        for number in children.read_text(encoding="ascii").split():
            with suppress(ProcessLookupError):
                os.kill(int(number), signal.SIGKILL)


def _kept(root: Path) -> Path:
    """Return where the answers are: outside of the folder."""
    return root.with_name(f"{root.name}.answers")


def _unopened(engine: Engine, answers: Iterable[Answer]) -> Iterator[str]:
    for one in answers:
        if one.blob:
            try:
                same = engine.decrypt(b64decode(one.blob)).plaintext == one.plain.encode()
            except KmsError as error:
                yield f"what {one} has encrypted does not open: {error.code}"
            else:
                if not same:
                    yield f"what {one} has encrypted opens as something else"


def _while_disabled(entries: Iterable[dict[str, Any]]) -> Iterator[str]:
    """Walk along the trail: no key is used between its being disabled and its being enabled."""
    disabled: set[str] = set()
    for entry in entries:
        key, action, result = entry["resource"], entry["action"], entry["result"]
        if result != OK:
            continue
        if action in USES and key in disabled:
            yield f"{action} is {entry['seq']} in the trail, where {key} is disabled"
        if action == OFF:
            disabled.add(key)
        if action == ON:
            disabled.discard(key)


def _out_of_order(answers: Sequence[Answer], places: dict[str, dict[str, Any]]) -> Iterator[str]:
    """Find what was answered before a change was asked for and stands behind it in the trail, and the other way."""
    found = [(one, places[one.request]["seq"]) for one in answers if one.request in places]
    for change, at in found:
        if change.action in (OFF, ON):
            for one, seq in found:
                if (one.answered < change.sent and seq > at) or (one.sent > change.answered and seq < at):
                    yield f"{one} is {seq} in the trail, and {change} is {at}"
