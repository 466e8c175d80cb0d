from __future__ import annotations

import csv
import io
import json
import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import jsonschema
import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from kmsplan.inventory.item import Inventory
from kmsplan.inventory.schema import inventory_schema
from kmsplan.kms.quantum import QUANTUM
from kmsplan.kms.spec import SPECS
from kmsplan.kms.wording import width
from kmsplan.report.cyclonedx_algorithm import algorithm
from kmsplan.report.escape import escape
from kmsplan.report.form import Subject, render
from kmsplan.report.inventory_csv import inventory_csv
from kmsplan.report.inventory_cyclonedx import inventory_cyclonedx
from kmsplan.report.inventory_fields import FIELDS
from kmsplan.report.inventory_json import inventory_json
from kmsplan.report.inventory_text import inventory_text
from kmsplan.report.scene import Scene
from tests.keeping import HOSTILE, NOW, hostile, one_of_each

SCENE: Final = Scene(now=NOW)
GOLDEN: Final = Path(__file__).parents[2] / "case" / "inventory"
EMPTY: Final = Inventory(items=())


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def components(inventory: Inventory) -> dict[str, dict[str, Any]]:
    return {one["bom-ref"]: one for one in json.loads(inventory_cyclonedx(inventory, SCENE))["components"]}


def material(reference: str) -> dict[str, Any]:
    found: dict[str, Any] = components(one_of_each())[reference]["cryptoProperties"]["relatedCryptoMaterialProperties"]
    return found


def test_the_text_has_a_line_for_each_key_and_counts_them() -> None:
    lines = inventory_text(one_of_each(), SCENE).splitlines()
    assert [line.split("  ")[0] for line in lines[1:9]] == [
        "key.absent",
        "key.broken",
        "key.deleted",
        "key.imported",
        "key.plain",
        "key.silent",
        "key-foreign (not managed)",
        "key-oss (not managed)",
    ]
    assert lines[10:] == [
        "Keys: 6 managed, 2 not managed here.",
        "Broken by a quantum computer: 1; what 1 of them encrypt today can be kept and read then.",
        "Not readable now: 1; what is said of them is what the last apply left.",
        "Recorded, and gone at the KMS: 1.",
    ]


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("key.plain", ["Enabled", "every 90d, next unknown", "none since 2026-01-01", "payments", "resistant (5)"]),
        ("key.broken", ["RSA_2048", "quantum-vulnerable (0), harvest"]),
        ("key.deleted", ["PendingDeletion", "deleted 2026-07-01"]),
        ("key.imported", ["material expires 2027-01-01"]),
        ("key.silent", ["not readable", "unknown"]),
        ("key.absent", ["gone"]),
        ("key-foreign", ["ML_KEM_768", "unknown"]),
    ],
)
def test_what_matters_of_a_key_stands_in_its_line(key: str, said: list[str]) -> None:
    (line,) = (line for line in inventory_text(one_of_each(), SCENE).splitlines() if line.startswith(key))
    assert [text for text in said if text not in line] == []


def test_nothing_is_lost_on_a_terminal_twenty_columns_wide() -> None:
    wide, narrow = (inventory_text(one_of_each(), Scene(now=NOW, columns=columns)) for columns in (None, 20))
    assert narrow != wide
    assert set(re.split(r"[\s:]+", wide)) - set(re.split(r"[\s:]+", narrow)) == set()


def test_an_empty_inventory_says_so_in_every_form() -> None:
    assert inventory_text(EMPTY, SCENE) == "Keys: 0 managed.\n"
    assert rows(inventory_csv(EMPTY, SCENE)) == []
    assert json.loads(inventory_json(EMPTY, SCENE))["keys"] == []
    assert components(EMPTY) == {}


def test_keys_that_were_not_asked_for_are_counted() -> None:
    assert inventory_text(Inventory(items=(), unmanaged=3), SCENE) == (
        "Keys: 0 managed, 3 not managed here (--all lists them).\n"
    )


@pytest.mark.parametrize("inventory", [one_of_each(), hostile(), EMPTY], ids=["each", "hostile", "empty"])
def test_the_json_is_what_the_schema_says(inventory: Inventory) -> None:
    jsonschema.Draft202012Validator(inventory_schema()).validate(json.loads(inventory_json(inventory, SCENE)))


def test_the_json_names_what_is_unknown_and_gives_it_no_value() -> None:
    document = json.loads(inventory_json(one_of_each(), SCENE))
    silent = next(key for key in document["keys"] if key["address"] == "key.silent")
    assert {"state", "last_used", "next_rotation"} <= set(silent["unknown"])
    assert [name for name in silent["unknown"] if silent[name] is not None] == []
    assert document["summary"] == {"managed": 6, "unmanaged": 2, "quantum_vulnerable": 1, "harvest": 1}


def test_the_csv_has_one_column_for_every_field_and_says_what_is_unknown() -> None:
    text = inventory_csv(one_of_each(), SCENE)
    assert text.split("\r\n")[0] == ",".join(FIELDS)
    found = {row["identity"]: row for row in rows(text)}
    assert (found["key-silent"]["last_used"], found["key-broken"]["last_used"]) == ("unknown", "")
    assert found["key-foreign"]["quantum_level"] == "unknown"
    plain = found["key-plain"]
    assert (plain["aliases"], plain["managed"], plain["harvest"]) == ("alias/orders", "true", "false")
    assert json.loads(plain["tags"]) == {"team": "payments", "x": "=1"}
    assert json.loads(plain["used_by"]) == ["shop, Berlin", "=1"]


def test_no_cell_of_the_csv_begins_like_a_formula() -> None:
    cells = [cell for row in rows(inventory_csv(hostile(), SCENE)) for cell in row.values()]
    assert [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))] == []
    assert [text for text in HOSTILE if not {escape(text), f"'{text}"} & set(cells)] == []


@pytest.mark.parametrize("inventory", [one_of_each(), hostile(), EMPTY], ids=["each", "hostile", "empty"])
def test_the_bill_of_materials_is_what_the_official_schema_says(inventory: Inventory) -> None:
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(inventory_cyclonedx(inventory, SCENE)) is None


def test_the_official_schema_refuses_what_is_wrong() -> None:
    text = inventory_cyclonedx(one_of_each(), SCENE)
    wrong = text.replace('"state":"active"', '"state":"alive"')
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(wrong) is not None


def test_every_algorithm_is_told_by_the_standard_s_words() -> None:
    pairs = [(spec, usage) for spec, facts in SPECS.items() for usage in facts.usages]
    told = {
        f"{spec.value} {usage.value}": {
            "name": one["name"],
            "oid": one["cryptoProperties"]["oid"],
            **one["cryptoProperties"]["algorithmProperties"],
        }
        for spec, usage in pairs
        for one in (algorithm(spec, usage),)
    }
    golden = GOLDEN / "algorithms.json"
    if os.environ.get("KMSPLAN_UPDATE"):
        golden.write_text(json.dumps(told, indent=1) + "\n")
    assert json.loads(json.dumps(told)) == json.loads(golden.read_text())
    assert {QUANTUM[spec].level for spec, _ in pairs} == {0, 1, 3, 5}


@pytest.mark.parametrize(
    ("key", "state", "type_"),
    [
        ("key-plain", "active", "secret-key"),
        ("key-deleted", "deactivated", "secret-key"),
        ("key-absent", "destroyed", "secret-key"),
        ("key-silent", None, "secret-key"),
        ("key-broken", "active", "private-key"),
        ("key-foreign", "active", "unknown"),
    ],
)
def test_a_key_is_material_in_a_state_of_the_standard(key: str, state: str | None, type_: str) -> None:
    found = material(f"key:{key}")
    assert (found.get("state"), found["type"]) == (state, type_)


def test_a_key_s_component_says_what_secures_it_what_it_is_for_and_when() -> None:
    assert material("key:key-plain") == {
        "type": "secret-key",
        "id": "acs:kms:local:1:key/key-1",
        "state": "active",
        "algorithmRef": "algorithm:Aliyun_AES_256:ENCRYPT/DECRYPT",
        "creationDate": "2026-01-01T00:00:00Z",
        "activationDate": "2026-01-01T00:00:00Z",
        "updateDate": "2026-05-01T00:00:00Z",
        "size": 256,
        "securedBy": {"mechanism": "Software"},
    }
    assert material("key:key-imported")["expirationDate"] == "2027-01-01T00:00:00Z"
    assert "activationDate" not in material("key:key-imported")
    assert material("key:key-oss")["securedBy"] == {"mechanism": "HSM"}


def test_when_the_material_of_somebody_elses_object_was_made_nobody_says() -> None:
    items = one_of_each().items
    theirs = replace(next(one for one in items if one.identity == "key-plain"), hsm_object="0a01")
    found = components(Inventory(items=(theirs,)))["key:key-plain"]
    told = found["cryptoProperties"]["relatedCryptoMaterialProperties"]
    assert not {"creationDate", "activationDate"} & told.keys()
    assert {"name": "kmsplan:hsm_object", "value": "0a01"} in found["properties"]


def test_every_reference_of_the_bill_leads_to_a_component_and_no_two_have_one_name() -> None:
    listed = json.loads(inventory_cyclonedx(one_of_each(), SCENE))["components"]
    names = [one["bom-ref"] for one in listed]
    properties = [one["cryptoProperties"].get("relatedCryptoMaterialProperties", {}) for one in listed]
    assert len(set(names)) == len(names)
    assert {found["algorithmRef"] for found in properties if "algorithmRef" in found} <= set(names)


def test_the_bill_never_has_a_value() -> None:
    found = [one["cryptoProperties"] for one in components(one_of_each()).values()]
    assert [one for one in found if "value" in one.get("relatedCryptoMaterialProperties", {})] == []


def test_the_same_inventory_at_the_same_time_has_the_same_bytes_and_another_time_another_serial() -> None:
    first, second = (inventory_cyclonedx(one_of_each(), SCENE) for _ in range(2))
    later = inventory_cyclonedx(one_of_each(), Scene(now=NOW.replace(year=2027)))
    assert first == second
    assert json.loads(later)["serialNumber"] != json.loads(first)["serialNumber"]


@pytest.mark.parametrize("form", ["text", "json", "csv", "cyclonedx"])
def test_strings_that_mean_harm_stay_text(form: str) -> None:
    text = render(Subject.INVENTORY, form, hostile(), SCENE)
    assert "\x1b" not in text
    assert text.endswith("\n")
    if form == "text":
        assert [character for character in text if character == "\u202e"] == []
        assert [line for line in text.splitlines() if line.startswith(("::", "END:"))] == []


def test_wide_characters_keep_the_columns_straight() -> None:
    lines = [line for line in inventory_text(hostile(), SCENE).splitlines() if " Enabled " in line]
    assert len({width(line[: line.index(" Enabled ")]) for line in lines}) == 1
