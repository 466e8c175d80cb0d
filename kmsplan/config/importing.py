"""The rules of key material to import (BYOK): said in one place, for a key that takes it, until a day to come."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kmsplan.config.material import file_problem
from kmsplan.config.secret import absolute
from kmsplan.kms.capability import Origin
from kmsplan.kms.spec import KeySpec
from kmsplan.resource.material import SOURCES

if TYPE_CHECKING:
    from kmsplan.config.objects import Object, Objects
    from kmsplan.config.problems import Problems


def check_materials(objects: Objects, problems: Problems, *, root: Path, now: datetime | None) -> None:
    """Check the material of every key that has some.

    Args:
        objects: what is declared.
        problems: where to tell.
        root: the configuration folder.
        now: expiry dates before it are problems; None where nothing is to be imported.
    """
    for found in objects.found.values():
        if found.attributes.get("material") is not None and "material" not in found.entry.bad:
            _one_place(found, problems)
            _origin(found, problems)
            _size(found, problems, root)
            _expiry(found, problems, now)


def _one_place(found: Object, problems: Problems) -> None:
    if len(set(SOURCES) & found.attributes["material"].keys()) != 1:
        detail = (
            "`material` is found in one place: {file: PATH}, {env: NAME} or {exec: [COMMAND, ...]}, exactly one of the "
            "three."
        )
        problems.add("K602", detail, found.place("material"), address=found.address)


def _origin(found: Object, problems: Problems) -> None:
    if found.attributes["origin"] != Origin.EXTERNAL and "origin" not in found.entry.bad:
        detail = (
            f"`material` is for keys of `origin: {Origin.EXTERNAL.value}`; the KMS makes this key's material itself."
        )
        problems.add("K414", detail, found.place("material", key=True), address=found.address)


def _size(found: Object, problems: Problems, root: Path) -> None:
    material = found.attributes["material"]
    if "file" not in material or "spec" in found.entry.bad:
        return
    problem = file_problem(absolute(root, material["file"]), material["format"], KeySpec(found.attributes["spec"]))
    if problem is not None:
        problems.add("K414", problem, found.place("material", "file"), address=found.address)


def _expiry(found: Object, problems: Problems, now: datetime | None) -> None:
    written: dict[str, Any] = found.entry.written["material"]
    if "expires" not in written:
        return
    text = written["expires"]
    try:
        until = datetime.fromisoformat(text)
    except ValueError:
        detail = f"{text!r} is no day of the calendar."
    else:
        until = until if until.tzinfo else until.replace(tzinfo=UTC)
        if now is None or until > now:
            return
        detail = (
            f"`expires` has passed: {text} (UTC), and no KMS imports material that has expired. Give a later date, or "
            "remove `expires`; or remove `material` where the key is to wait without any."
        )
    problems.add("K414", detail, found.place("material", "expires"), address=found.address)
