from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml

from kmsplan.config.load import load
from kmsplan.config.section import SECTIONS
from kmsplan.kms.spec import KeySpec
from kmsplan.report.configuration_page import EXAMPLE
from kmsplan.report.reference import PAGES, kms_page
from kmsplan.resource.kinds import KINDS
from tests.unit.approval.conftest import ADA, BOB

DOCS = Path(__file__).parents[3] / "docs"


@pytest.mark.parametrize("name", sorted(PAGES))
def test_the_reference_pages_equal_the_tables(name: str) -> None:
    page = PAGES[name]()
    if os.environ.get("KMSPLAN_UPDATE"):
        (DOCS / name).write_text(page)
    assert (DOCS / name).read_text() == page


def test_every_attribute_of_every_kind_is_on_the_page() -> None:
    page = PAGES["configuration.md"]()
    missing = [
        a.name for kind in KINDS.values() for a in kind.attributes if f"| `{a.name}` |" not in page and a.written
    ]
    assert missing == []


def test_every_section_is_on_the_page_and_in_its_example() -> None:
    page = PAGES["configuration.md"]()
    assert [name for name in SECTIONS if f"\n## `{name}`\n" not in page] == []
    assert set(yaml.safe_load(EXAMPLE)) == set(SECTIONS)


def test_every_setting_of_the_engine_and_the_state_is_on_the_page() -> None:
    page = PAGES["configuration.md"]()
    settings = ("embedded.path", "embedded.seal.hsm", "embedded.postgres", "alibaba.timeouts.read", "local.path")
    assert [name for name in (*settings, "NAME.allowed") if f"| `{name}` | " not in page] == []


def test_the_example_on_the_page_is_a_valid_configuration(tmp_path: Path) -> None:
    (tmp_path / "kmsplan.yaml").write_text(EXAMPLE)
    (tmp_path / "material.bin").touch(mode=0o600)
    (tmp_path / "material.bin").write_bytes(bytes(32))
    (tmp_path / "ops.trusted.yaml").write_text(
        f"signers: {{ada: {{key: {ADA.key.public.text}}}, bob: {{key: {BOB.key.public.text}}}}}\n"
    )
    configuration = load(tmp_path, variables={}, variable_files=(), environ={})
    assert configuration.warnings == ()
    kinds = {address.partition(".")[0] for address in configuration.desired}
    assert kinds == set(KINDS)


def test_every_spec_is_on_the_page() -> None:
    assert [spec for spec in KeySpec if f"| `{spec}` |" not in kms_page()] == []
