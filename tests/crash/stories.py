"""The scenarios: what is applied; those of `upkeep` and `leaving` are beside."""

from __future__ import annotations

from typing import Final

from tests.crash.answering import Answering
from tests.crash.configurations import (
    CORE,
    FIRST,
    HARDWARE_FIRST,
    HARDWARE_SECOND,
    IN_DATABASE,
    LEFT,
    OPEN,
    SECOND,
    SERVED,
    SHARED,
    USED,
    VAULT,
    WITH_GONE,
)
from tests.crash.leaving import LEAVING, let_time_pass
from tests.crash.scenario import Scenario, Step
from tests.crash.served import Served, Serving
from tests.crash.site import Database, Token
from tests.crash.upkeep import UPKEEP

_MATERIAL: Final = bytes(range(101, 133))
_DELETES: Final = ("--allow-delete", "1", "--allow-mass")

SCENARIOS: Final = (
    Scenario(name="create", after=Step(text=FIRST)),
    Scenario(
        name="change",
        before=(Step(text=WITH_GONE), Step(text=FIRST, options=_DELETES)),
        after=Step(text=SECOND, options=_DELETES),
    ),
    Scenario(
        name="import",
        after=Step(
            text=CORE.replace("instances", "engine: {embedded: {seal: {passphrase: {env: PASSPHRASE}}}}\ninstances")
            + "keys:\n  own: {instance: core, origin: EXTERNAL, material: {file: material.bin}, aliases: [own]}\n"
        ),
        secrets={"material.bin": _MATERIAL, "PASSPHRASE": b"correct horse battery"},
    ),
    Scenario(name="hardware create", after=Step(text=HARDWARE_FIRST), site=Token()),
    Scenario(
        name="hardware change",
        before=(Step(text=HARDWARE_FIRST),),
        after=Step(text=HARDWARE_SECOND, options=("--allow-mass",)),
        site=Token(),
    ),
    Scenario(
        name="hardware import",
        before=(Step(text=VAULT),),
        after=Step(text=VAULT + "keys:\n  own: {instance: vault, origin: EXTERNAL, material: {file: material.bin}}\n"),
        site=Token(),
        secrets={"material.bin": _MATERIAL},
    ),
    Scenario(
        name="hardware tick",
        before=(
            Step(text=HARDWARE_SECOND.replace("next: {instance: vault", "next: {instance: vault, " + OPEN)),
            Step(text=LEFT, options=("--allow-delete", "2", "--allow-mass")),
        ),
        after=Step(text=LEFT, instead=("engine", "tick"), prepare=let_time_pass),
        site=Token(),
    ),
    Scenario(name="database create", after=Step(text=IN_DATABASE + FIRST), site=Database()),
    Scenario(
        name="database change",
        before=(Step(text=IN_DATABASE + WITH_GONE), Step(text=IN_DATABASE + FIRST, options=_DELETES)),
        after=Step(text=IN_DATABASE + SECOND, options=_DELETES),
        site=Database(),
    ),
    Scenario(
        name="shared state",
        before=(Step(text=SHARED + WITH_GONE), Step(text=SHARED + FIRST, options=_DELETES)),
        # A power cut may take the note whose the lease is: then it has to run out.
        after=Step(text=SHARED + SECOND, options=(*_DELETES, "--lock-timeout", "10")),
        site=Database(),
    ),
    Scenario(
        name="served",
        before=(Step(text=SERVED + FIRST),),
        after=Step(text=SERVED + SECOND, options=_DELETES),
        site=Served(),
    ),
    Scenario(
        name="serving",
        before=(Step(text=SERVED + FIRST),),
        after=Step(text=SERVED + SECOND, options=_DELETES),
        site=Serving(),
    ),
    Scenario(name="answering", before=(Step(text=USED),), after=Step(text=USED), site=Answering()),
    *LEAVING,
    *UPKEEP,
)
