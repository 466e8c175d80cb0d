"""The script that lets Terraform forget what was converted: that, nothing more, and word for word."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from kmsplan.adopt.inventory import Adoptable, Inventory
from kmsplan.adopt.terraform.forgetting import script
from kmsplan.resource.address import Address

if TYPE_CHECKING:
    from pathlib import Path

KEY = Adoptable(address=Address("key.a"), identity="key-1", written={"aliases": ["a"]})
INVENTORY = Inventory(objects=(KEY,), left_out=())


def test_what_was_converted_is_forgotten_and_what_was_left_out_is_not() -> None:
    places = {"key-1": "alicloud_kms_key.a", "alias/a": "alicloud_kms_alias.a", "key-2": "alicloud_kms_key.b"}
    commands = script(INVENTORY, places).splitlines()[4:]
    assert commands == ["terraform state rm alicloud_kms_alias.a", "terraform state rm alicloud_kms_key.a"]


def test_an_address_is_given_to_terraform_as_it_is_and_no_part_of_it_to_the_shell(tmp_path: Path) -> None:
    terraform = tmp_path / "terraform"
    terraform.write_text('#!/bin/sh\nprintf "%s\\n" "$3" >> "$0.said"\n')
    terraform.chmod(0o755)
    place = "alicloud_kms_key.k[\"$(touch x); `id` 'quoted' é\"]"
    subprocess.run(
        ["sh", "-c", script(INVENTORY, {"key-1": place})], env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, check=True
    )
    assert (tmp_path / "terraform.said").read_text() == f"{place}\n"


def test_an_address_that_would_turn_the_line_around_is_left_to_a_human() -> None:
    assert script(INVENTORY, {"key-1": 'k["\u202e"]'}).endswith('# by hand: k["\\u202e"]\n')
