from __future__ import annotations

import os
from pathlib import Path

import pytest

from kmsplan.config.diagnostic import ConfigurationError, Diagnostic
from kmsplan.config.folder import SIZE_LIMIT
from kmsplan.config.load import load

VALID = "kmsplan: 1\n"


def diagnose(folder: Path, *files: Path) -> tuple[Diagnostic, ...]:
    with pytest.raises(ConfigurationError) as caught:
        load(folder, variables={}, variable_files=files, environ={})
    return caught.value.diagnostics


def test_a_missing_folder_says_what_to_do(tmp_path: Path) -> None:
    (found,) = diagnose(tmp_path / "nowhere")
    assert found.code == "K101"
    assert "no such file or directory" in found.detail
    assert "kmsplan init" in found.detail
    assert found.span is None


def test_a_file_in_place_of_the_folder_says_so(tmp_path: Path) -> None:
    (tmp_path / "kmsplan.yaml").write_text(VALID)
    (found,) = diagnose(tmp_path / "kmsplan.yaml")
    assert (found.code, "not a directory" in found.detail) == ("K101", True)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "kmsplan.yaml").write_text(VALID)
    (tmp_path / "gone.yaml").symlink_to(tmp_path / "nowhere")
    (found,) = diagnose(tmp_path)
    assert (found.code, found.span) == ("K102", None)
    assert found.detail.startswith("gone.yaml cannot be read: ")


def test_a_file_over_the_limit_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "kmsplan.yaml").write_text(VALID)
    os.truncate(tmp_path / "kmsplan.yaml", SIZE_LIMIT + 1)
    (found,) = diagnose(tmp_path)
    assert (found.code, "64 MiB" in found.detail) == ("K103", True)


@pytest.mark.parametrize("name", [".hidden.yaml", "dev.vars.yaml", "dev.vars.yml", "notes.txt", "kmsplan.yaml.bak"])
def test_other_files_are_no_part_of_the_configuration(tmp_path: Path, name: str) -> None:
    (tmp_path / "kmsplan.yaml").write_text(VALID)
    (tmp_path / name).write_text("unknown: 1\n")
    assert load(tmp_path, variables={}, variable_files=[], environ={}).desired == {}


def test_a_folder_named_like_a_file_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "kmsplan.yml").write_text(VALID)
    (tmp_path / "modules.yaml").mkdir()
    assert load(tmp_path, variables={}, variable_files=[], environ={}).desired == {}


def test_a_byte_order_mark_does_not_move_places(tmp_path: Path) -> None:
    (tmp_path / "kmsplan.yaml").write_bytes(b"\xef\xbb\xbfkmsplan: 2\n")
    (found,) = diagnose(tmp_path)
    assert found.span is not None
    assert (found.code, found.span.column) == ("K207", 10)


def test_a_file_name_that_is_no_text_is_shown_as_escapes(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"a\xff\x1b.yaml")).write_text("kmsplan: 2\n")
    (found,) = diagnose(tmp_path)
    assert found.span is not None
    assert found.span.filename == r"a\udcff\x1b.yaml"


def test_a_missing_variable_file_is_named_as_it_was_given(tmp_path: Path) -> None:
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "kmsplan.yaml").write_text(VALID + "variables: {env: {type: string}}\n")
    given = tmp_path / "nowhere.vars.yaml"
    (found,) = diagnose(tmp_path / "conf", given)
    assert (found.code, found.span) == ("K102", None)
    assert found.detail.startswith(f"{given} cannot be read: ")
