"""A state that is encrypted at rest: by whom it can be read, and how it follows its configuration to another key."""

from __future__ import annotations

import base64
import json
import shutil
import signal
import subprocess
from typing import TYPE_CHECKING, Final

import pytest

from tests.project import BASIC, KMSPLAN, Project

if TYPE_CHECKING:
    from pathlib import Path

KEYS: Final = {f"KEY_{name}": base64.b64encode(name.encode() * 32).decode() for name in "AB"}
A = BASIC + "state: {encryption: {env: KEY_A}}\n"
B = BASIC + "state: {encryption: {env: KEY_B}}\n"
REKEY: Final = ("state", "rekey", "--from-env", "KEY_A")


def kept(project: Project) -> list[Path]:
    state = project.root / "state"
    return [path for path in state.rglob("*") if path.is_file() and "engine" not in path.parts[len(state.parts) :]]


def contents(project: Project) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in kept(project) if path.name != "kmsplan.lock"}


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two keys and an alias, applied; the state is under key A and has two serials."""
    project = Project(tmp_path_factory.mktemp("story"), dict(KEYS))
    project.write(A)
    project.apply()
    project.call("UpdateKeyDescription", "KeyId=alias/orders", "Description=x")
    project.apply()
    return project.root


@pytest.fixture
def sealed(story: Path, tmp_path: Path) -> Project:
    shutil.copytree(story, tmp_path, dirs_exist_ok=True)
    return Project(tmp_path, dict(KEYS))


def test_nothing_of_it_is_on_disk_in_the_clear(sealed: Project) -> None:
    for path in kept(sealed):
        content = path.read_bytes()
        for word in (b"orders", b"key-", b"payments", KEYS["KEY_A"].encode(), b"A" * 32):
            assert word not in content, path
    assert sealed.run("state", "list").out.split() == ["alias.orders", "instance.core", "key.orders", "key.signer"]
    assert len(sealed.run("state", "history").out.splitlines()) == 4
    sealed.run("drift", code=0)


def test_a_missing_or_wrong_key_is_told_and_writes_nothing(sealed: Project) -> None:
    before = contents(sealed)
    sealed.write(B)
    assert "is encrypted with the key" in sealed.run("plan", code=1).err
    assert "(S120)" in sealed.apply(code=1).err
    sealed.write(BASIC)
    assert "no key was named to open it with (S120)" in sealed.apply(code=1).err
    sealed.write(A)
    sealed.environ["KEY_A"] = "hunter2"
    said = sealed.apply(code=1).err
    assert "K608" in said
    assert "hunter2" not in said
    del sealed.environ["KEY_A"]
    assert "K603" in sealed.apply(code=1).err
    assert contents(sealed) == before


def test_a_changed_byte_or_an_earlier_snapshot_in_its_place_is_told(sealed: Project) -> None:
    snapshot = sealed.root / "state" / "kmsplan.state.json"
    content = snapshot.read_bytes()
    document = json.loads(content)
    cipher = bytearray(base64.b64decode(document["sealed"]))
    cipher[len(cipher) // 2] ^= 1
    snapshot.write_text(json.dumps({**document, "sealed": base64.b64encode(cipher).decode()}))
    assert "it was changed, or moved here from another place (S102)" in sealed.run("plan", code=1).err
    earlier = json.loads((sealed.root / "state" / "history" / "1.state.json").read_text())
    snapshot.write_text(json.dumps({**earlier, "serial": document["serial"]}))
    assert "(S102)" in sealed.run("plan", code=1).err
    snapshot.write_text(json.dumps(earlier))
    assert "(P120)" in sealed.run("plan", code=4).text, "unchanged, it opens: and the KMS has seen a newer one"
    snapshot.write_bytes(content)
    sealed.run("plan", "--detailed-exitcode", code=0)


def test_a_plain_text_never_takes_an_encrypted_ones_place(sealed: Project) -> None:
    sealed.write(BASIC)
    sealed.run(*REKEY)
    sealed.write(A)
    assert "is not encrypted, and the configuration says" in sealed.run("plan", code=1).err


def test_it_follows_its_configuration_to_another_key_and_into_the_clear(sealed: Project) -> None:
    history = sealed.run("state", "history").out
    sealed.write(B)
    assert "parts are under the key that the configuration names now" in sealed.run(*REKEY).out
    assert sealed.run("state", "history").out == history
    assert sealed.run("state", "show", "--serial", "1", "key.orders").json()["address"] == "key.orders"
    assert "Nothing to do" in sealed.run(*REKEY).out
    sealed.write(BASIC)
    assert "are plain now" in sealed.run("state", "rekey", "--from-env", "KEY_B").out
    assert sealed.state()["records"]["key.orders"]
    sealed.write(A)
    sealed.run("state", "rekey", "--from-plain")
    assert sealed.run("state", "history").out == history
    sealed.run("plan", "--detailed-exitcode", code=0)


def test_a_part_under_a_third_key_is_named_and_follows_once_its_key_is_named_too(sealed: Project) -> None:
    oldest = sealed.root / "state" / "history" / "0.state.json"
    under_a = oldest.read_bytes()
    sealed.write(B)
    sealed.run(*REKEY)
    oldest.write_bytes(under_a)
    sealed.write(BASIC)
    said = sealed.run("state", "rekey", "--from-env", "KEY_B")
    assert "1 part stays as it was" in said.err
    assert f"0.state.json (key {json.loads(under_a)['key']})" in said.err
    assert "(under another key)" in sealed.run("state", "history").out.splitlines()[1]
    assert "Of the state, 1 part is plain now." in sealed.run(*REKEY, "--from-env", "KEY_B").out
    assert sealed.run("state", "show", "--serial", "0").code == 0


def test_a_rekey_says_what_it_lacks(sealed: Project) -> None:
    before = contents(sealed)
    sealed.write(B)
    assert "with --from-plain, --from-env or --from-file" in sealed.run("state", "rekey", code=1).err
    assert "NOWHERE holds no key" in sealed.run("state", "rekey", "--from-env", "NOWHERE", code=1).err
    (sealed.root / "wrong").write_bytes(b"w" * 32)
    assert "(S120)" in sealed.run("state", "rekey", "--from-file", "wrong", code=1).err
    assert contents(sealed) == before


@pytest.mark.parametrize(("call", "counts"), [("fsync", (2, 7)), ("rename", (1, 5))])
def test_killed_anywhere_it_opens_with_the_old_key_or_the_new_one_and_the_same_command_finishes(
    sealed: Project, call: str, counts: tuple[int, ...]
) -> None:
    held = sealed.run("state", "show", "--json").json()
    history = sealed.run("state", "history").out
    sealed.write(B)
    for count in counts:
        inject = f"inject={call}:signal=KILL:when={count}"
        command = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e", inject, KMSPLAN, *REKEY]
        done = subprocess.run(command, cwd=sealed.root, env=sealed.environment(), capture_output=True, check=False)
        assert done.returncode == -signal.SIGKILL, done.stderr
        opened = sealed.run("state", "show", "--json", code=None)
        if opened.code:
            sealed.write(A)
            opened = sealed.run("state", "show", "--json")
            sealed.write(B)
        assert opened.json() == held
    sealed.run(*REKEY)
    assert sealed.run("state", "show", "--json").json() == held
    assert sealed.run("state", "history").out == history
    for path in kept(sealed):
        assert not path.name.endswith(".tmp")
    sealed.run("plan", "--detailed-exitcode", code=0)
