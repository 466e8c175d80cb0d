from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from kmsplan.config.diagnostic import ConfigurationError
from kmsplan.config.load import load
from kmsplan.config.material import Materials
from kmsplan.resource.address import Address

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from kmsplan.config.configuration import Configuration

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


def written(material: str) -> str:
    return (
        "kmsplan: 1\ninstances: {core: {type: software}}\n"
        f"keys: {{a: {{instance: core, origin: EXTERNAL, material: {material}}}}}\n"
    )


@pytest.fixture
def loaded(tmp_path: Path) -> Callable[..., Configuration]:
    def load_it(material: str, now: datetime | None = NOW) -> Configuration:
        (tmp_path / "kmsplan.yaml").write_text(written(material))
        return load(tmp_path, variables={}, variable_files=[], environ={}, now=now)

    return load_it


def attributes(configuration: Configuration) -> Any:
    return configuration.desired[Address("key.a")].attributes


@pytest.mark.parametrize(
    ("expires", "imported"),
    [
        ("", "never"),
        (", expires: 2026-06-02", "2026-06-02T00:00:00Z"),
        (', expires: "2026-06-01T12:00:01Z"', "2026-06-01T12:00:01Z"),
    ],
)
def test_what_is_written_is_where_material_is_found_and_until_when_it_is_wanted(
    loaded: Callable[..., Configuration], expires: str, imported: str
) -> None:
    found = attributes(loaded(f"{{file: a.bin{expires}}}"))
    assert (found["material"], found["imported"]) == ({"file": "a.bin", "format": "raw"}, imported)


def test_a_key_without_material_leaves_open_what_it_has(tmp_path: Path) -> None:
    text = "kmsplan: 1\ninstances: {core: {type: software}}\nkeys: {a: {instance: core, origin: EXTERNAL}}\n"
    (tmp_path / "kmsplan.yaml").write_text(text)
    configuration = load(tmp_path, variables={}, variable_files=[], environ={})
    found = attributes(configuration)
    assert (found["material"], found["imported"], configuration.materials) == (None, None, {})


@pytest.mark.parametrize("expires", ["2026-06-01", '"2026-06-01T12:00:00Z"', "2020-01-01"])
def test_a_date_that_has_passed_is_a_problem_where_it_is_to_be_applied(
    loaded: Callable[..., Configuration], expires: str
) -> None:
    material = f"{{env: A, expires: {expires}}}"
    with pytest.raises(ConfigurationError) as caught:
        loaded(material)
    (problem,) = caught.value.diagnostics
    assert problem.code == "K414"
    assert "`expires` has passed" in problem.detail
    assert attributes(loaded(material, None))["imported"].startswith(expires.strip('"')[:10])


def test_material_is_found_by_what_the_attribute_says(tmp_path: Path, loaded: Callable[..., Configuration]) -> None:
    configuration = loaded("{file: a.bin}")
    (tmp_path / "a.bin").write_bytes(bytes(range(32)))
    materials = Materials(configuration, {})
    assert materials.find({"format": "raw", "file": "a.bin"}, "Aliyun_AES_256").reveal() == bytes(range(32))
    with pytest.raises(KeyError):
        materials.find({"file": "/etc/passwd", "format": "raw"}, "Aliyun_AES_256")


def test_moving_material_elsewhere_is_another_configuration_with_the_same_wish(
    loaded: Callable[..., Configuration],
) -> None:
    first, second = loaded("{file: a.bin}"), loaded("{exec: [pass, show, a], format: base64}")
    assert attributes(first)["imported"] == attributes(second)["imported"] == "never"
    assert first.digest != second.digest
    (reference,) = second.materials.values()
    assert (reference.source, reference.command) == ("exec", ("pass", "show", "a"))
