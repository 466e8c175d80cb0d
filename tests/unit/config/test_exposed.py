"""Files with secrets in them that others can read: each is told once, whatever names it."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from kmsplan.config.diagnostic import Diagnostic
    from tests.unit.config.conftest import Load

EVERYWHERE = """
engine: {embedded: {postgres: {file: database}, seal: {passphrase: {file: passphrase}}}}
state: {postgres: {url: {file: state}, name: s}, encryption: {file: key}}
instances:
  core: {type: software}
  vault: {type: hardware, hsm: {module: /m.so, token: t, pin: {file: pin}}}
  theirs: {type: external, proxy: {url: "https://xks.example", access_key: {id: AKIDEXAMPLE234567, secret: {file: x}}}}
keys:
  brought: {instance: core, origin: EXTERNAL, material: {file: material}}
"""
NAMES = ("database", "passphrase", "state", "key", "pin", "x", "material")
MATERIAL = "instances: {{core: {{type: software}}}}\nkeys: {{a: {{instance: core, origin: EXTERNAL, material: {}}}}}\n"


def put(path: Path, mode: int) -> Path:
    path.write_bytes(bytes(32))
    path.chmod(mode)
    return path


def material(loaded: Load, name: str) -> tuple[Diagnostic, ...]:
    """The warnings of a configuration with a key whose material is in a file."""
    return loaded(MATERIAL.format(f"{{file: {name}}}")).warnings


def test_every_secret_in_a_file_that_others_can_read_is_told_with_its_place_and_its_remedy(
    loaded: Load, tmp_path: Path
) -> None:
    for name in NAMES:
        put(tmp_path / name, 0o644)
    found = {one.detail: one for one in loaded(EVERYWHERE).warnings}
    assert list(found) == [
        f"The file '{tmp_path}/{name}' is open to others than its owner (mode 0644), and there is a secret in it. "
        f"Close it: chmod 600 {tmp_path}/{name}"
        for name in NAMES
    ]
    assert {(one.code, one.severity) for one in found.values()} == {("K609", "warning")}
    lines = [one.span.line for one in found.values() if one.span is not None]
    assert lines == [3, 3, 4, 4, 7, 8, 10]
    assert not any(one.excerpt for one in found.values())
    for name in NAMES:
        put(tmp_path / name, 0o600)
    assert loaded(EVERYWHERE).warnings == ()


def test_a_file_is_told_once_at_the_first_place_that_names_it(loaded: Load, tmp_path: Path) -> None:
    put(tmp_path / "pin", 0o640)
    hsm = "{{type: hardware, hsm: {{module: /m.so, token: {}, pin: {{file: {}}}}}}}"
    written = "instances:\n  b: {}\n  a: {}\n".format(hsm.format("b", "pin"), hsm.format("a", "./pin"))
    (warning,) = loaded(written).warnings
    assert warning.span is not None
    assert warning.span.line == 3
    assert "(mode 0640)" in warning.detail


def test_the_key_file_that_seals_is_not_told_of_because_it_is_refused(loaded: Load, tmp_path: Path) -> None:
    put(tmp_path / "root.key", 0o644)
    assert loaded("engine: {embedded: {seal: {file: root.key}}}\n").warnings == ()


@pytest.mark.parametrize(("mode", "told"), [(0o644, 1), (0o600, 0)])
def test_of_a_link_the_file_counts_and_not_the_link(loaded: Load, tmp_path: Path, mode: int, told: int) -> None:
    put(tmp_path / "there", mode)
    (tmp_path / "link").symlink_to("there")
    assert len(material(loaded, "link")) == told


def test_what_is_no_file_or_not_there_is_not_told(loaded: Load, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o644)
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    for name in ("pipe", "folder", "loop", "missing"):
        assert material(loaded, name) == ()


def test_what_this_process_was_given_is_not_told(loaded: Load, tmp_path: Path) -> None:
    with put(tmp_path / "there", 0o644).open("rb") as given:
        for name in (f"/dev/fd/{given.fileno()}", f"/proc/self/fd/{given.fileno()}"):
            assert material(loaded, name) == ()


def test_a_file_of_another_user_is_not_told_because_its_owner_alone_can_close_it(
    loaded: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = put(tmp_path / "there", 0o644).stat().st_uid
    assert len(material(loaded, "there")) == 1
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    assert material(loaded, "there") == ()


@pytest.mark.parametrize("name", ["it's mine", "a;rm -rf x", "\x1b[31mred", "line\nbreak", "\u202ertl", "::error::x"])
def test_a_hostile_name_is_quoted_and_cannot_steer_a_terminal(loaded: Load, tmp_path: Path, name: str) -> None:
    put(tmp_path / name, 0o644)
    escaped = name.encode("unicode_escape").decode()
    (warning,) = material(loaded, f'"{escaped}"')
    assert warning.detail.isprintable()
    if name.isprintable():
        assert warning.detail.endswith(f"chmod 600 {shlex.quote(str(tmp_path / name))}")
