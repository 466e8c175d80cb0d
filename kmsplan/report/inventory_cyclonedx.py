"""The inventory as a cryptography bill of materials: CycloneDX 1.6, JSON.

One component for each key, and one for each algorithm that keys are for. Nothing in it is key material. The same
inventory at the same time has the same bytes, serial number included. The document is made here, not with
cyclonedx-python-lib: that takes a minute for 10,000 keys; the tests check it against the schema that comes with it.
"""

from __future__ import annotations

import uuid
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from kmsplan import __version__
from kmsplan.inventory.item import Presence
from kmsplan.kms.capability import Origin
from kmsplan.kms.lifecycle import KeyState
from kmsplan.kms.spec import SPECS, KeySpec, KeyUsage
from kmsplan.report.cyclonedx_algorithm import algorithm, reference
from kmsplan.report.document import line
from kmsplan.report.inventory_fields import FIELDS, known, moment

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from kmsplan.inventory.item import Inventory, Item
    from kmsplan.report.scene import Scene

_NAMESPACE: Final = uuid.uuid5(uuid.NAMESPACE_URL, "kmsplan:cyclonedx")
_STATES: Final[Mapping[str, str]] = MappingProxyType(
    {
        KeyState.ENABLED: "active",
        KeyState.DISABLED: "suspended",
        KeyState.PENDING_DELETION: "deactivated",
        KeyState.PENDING_IMPORT: "pre-activation",
    }
)
"""By KeyState: SP 800-57 part 1's. It has no word for a key whose HSM does not answer."""
_MECHANISMS: Final[Mapping[str, str]] = MappingProxyType(
    {"software": "Software", "hardware": "HSM", "external": "External key manager"}
)
_SAID_ELSEWHERE: Final = frozenset(
    {"identity", "created", "size", "tags", "aliases", "used_by", "quantum", "quantum_level"}
)
"""Not repeated as properties, or in a form of their own."""
_PROPERTIES: Final = tuple((name, get) for name, get in FIELDS.items() if name not in _SAID_ELSEWHERE)


def inventory_cyclonedx(inventory: Inventory, scene: Scene) -> str:
    """Return the bill of materials."""
    time = moment(scene.now)
    serial = uuid.uuid5(_NAMESPACE, f"{inventory.environment}\n{inventory.lineage}\n{time}")
    return line(
        {
            "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
            "bomFormat": "CycloneDX",
            "specVersion": "1.6",
            "serialNumber": f"urn:uuid:{serial}",
            "version": 1,
            "metadata": {
                "timestamp": time,
                "tools": {"components": [{"type": "application", "name": "kmsplan", "version": __version__}]},
                "component": {
                    "type": "platform",
                    "bom-ref": "kms",
                    "name": inventory.environment or "kms",
                    "description": "The key management service whose keys these are",
                },
            },
            "components": [*_algorithms(inventory), *map(_key, inventory.items)],
        }
    )


def _algorithms(inventory: Inventory) -> Iterator[dict[str, Any]]:
    used = {found for item in inventory.items if (found := _purpose(item))}
    for spec, usage in sorted(used):
        yield algorithm(spec, usage)


def _purpose(item: Item) -> tuple[KeySpec, KeyUsage] | None:
    """Return what a key is for; None where the project does not know that algorithm."""
    return _PURPOSES.get((item.spec, item.usage))


_PURPOSES: Final[Mapping[tuple[str | None, str | None], tuple[KeySpec, KeyUsage]]] = MappingProxyType(
    {(spec.value, usage.value): (spec, usage) for spec, facts in SPECS.items() for usage in facts.usages}
)
_TYPES: Final[Mapping[str | None, str]] = MappingProxyType(
    {spec.value: "secret-key" if facts.symmetric else "private-key" for spec, facts in SPECS.items()}
)


def _key(item: Item) -> dict[str, Any]:
    component: dict[str, Any] = {
        "type": "cryptographic-asset",
        "bom-ref": f"key:{item.identity}",
        "name": item.address or item.identity,
        "cryptoProperties": {
            "assetType": "related-crypto-material",
            "relatedCryptoMaterialProperties": _material(item),
        },
        "properties": [{"name": f"kmsplan:{name}", "value": value} for name, value in _said(item)],
    }
    if item.description:
        component["description"] = item.description
    return component


def _material(item: Item) -> dict[str, Any]:
    """Return the key in the standard's words; what is not known, or has no word there, is left out."""
    purpose = _purpose(item)
    said = {
        "type": _TYPES.get(item.spec, "unknown"),
        "id": item.arn or item.identity,
        "state": "destroyed" if item.presence is Presence.ABSENT else _STATES.get(item.state or ""),
        "algorithmRef": reference(*purpose) if purpose else None,
        "creationDate": _date(item.created) if item.hsm_object is None else None,
        "activationDate": _date(item.created) if item.origin == Origin.KMS and item.hsm_object is None else None,
        "updateDate": _date(item.last_rotation),
        "expirationDate": _date(item.material_expires),
        "size": item.size,
        "securedBy": {"mechanism": _MECHANISMS[item.protection]} if item.protection else None,
    }
    return {name: value for name, value in said.items() if value is not None}


def _said(item: Item) -> Iterator[tuple[str, str]]:
    """Yield everything else that is known, as names and texts."""
    for name, get in _PROPERTIES:
        value = get(item)
        if not known(item, name):
            yield name, "unknown"
        elif value not in (None, ""):
            yield name, _text(value)
    yield from (("alias", alias) for alias in item.aliases)
    yield from (("used_by", user) for user in item.used_by)
    yield from ((f"tag:{name}", value) for name, value in item.tags.items())
    if item.quantum is not None:
        yield "quantum", item.quantum.kind.value


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else value if isinstance(value, str) else _plain(value)


def _plain(value: Any) -> str:
    return str(value) if isinstance(value, int) else moment(value)


def _date(value: datetime | None) -> str | None:
    return None if value is None else moment(value)
