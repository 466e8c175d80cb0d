"""The rules of external instances (XKI) and their keys: a proxy that may be used, and a key named there for each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kmsplan.kms.external import url_problem
from kmsplan.kms.spec import KeyType
from kmsplan.resource.address import name_of

if TYPE_CHECKING:
    from kmsplan.config.objects import Object, Objects
    from kmsplan.config.problems import Problems


def check_external(objects: Objects, problems: Problems) -> None:
    """Check the proxies of external instances, and which external key each key stands for."""
    instances = {found.address: found.attributes["type"] for found in objects.of_kind("instance")}
    for found in objects.of_kind("instance"):
        if found.attributes["proxy"] is not None:
            _proxy(found, problems)
    taken: dict[tuple[str, str], Object] = {}
    for found in objects.of_kind("key"):
        instance, name = found.attributes["instance"], found.attributes["external_key"]
        key_type = instances.get(instance)
        if key_type is not None and "external_key" not in found.entry.bad:
            _named(found, key_type, problems)
        if name is not None and (other := taken.setdefault((instance, name), found)) is not found:
            detail = f"{other.address} stands for {name!r} of {instance}, too; each key stands for a key of its own."
            problems.add("K422", detail, found.place("external_key"), address=found.address)


def _proxy(found: Object, problems: Problems) -> None:
    problem = url_problem(found.attributes["proxy"]["url"])
    if problem is not None:
        detail = f"The proxy's `url` cannot be used: {problem}."
        problems.add("K421", detail, found.place("proxy", "url"), address=found.address)


def _named(found: Object, key_type: str, problems: Problems) -> None:
    """Want a name at the key manager for keys in external instances, and for no others."""
    given = found.attributes["external_key"] is not None
    if given and key_type != KeyType.EXTERNAL:
        instance = name_of(found.attributes["instance"])
        detail = f"`external_key` belongs to keys in external instances; {instance!r} is {key_type}."
        problems.add("K420", detail, found.place("external_key", key=True), address=found.address)
    elif not given and key_type == KeyType.EXTERNAL:
        detail = "A key in an external instance needs `external_key`: what the key manager calls the key."
        problems.add("K420", detail, found.entry.node.key_place, address=found.address)
