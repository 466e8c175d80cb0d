"""Backups by command: what people are told, what a killed process leaves, and what is never on a disk."""

from __future__ import annotations

import resource
import signal
import subprocess
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kmsplan.engine.keystore import setting
from kmsplan.engine.keystore import version as versions
from kmsplan.engine.rotation import material_binding
from kmsplan.engine.sealing import open_root
from tests.engines import Clock, Lab
from tests.furnished import IMPORTED, check, core_of, furnish
from tests.project import KMSPLAN, Project

if TYPE_CHECKING:
    from collections.abc import Callable

    from kmsplan.engine.service import Engine
    from tests.furnished import Furnished
    from tests.postgres import PostgresServer

PASSPHRASE = "correct-horse-battery-staple"
LOCK = ("--passphrase-env", "BACKUP_PASSPHRASE")
KEY = ("--key-file", "backup.key")


@pytest.fixture
def kept(project: Project) -> tuple[Project, Furnished]:
    """A folder with an engine with something of everything in it."""
    project.write("kmsplan: 1\n")
    project.environ["BACKUP_PASSPHRASE"] = PASSPHRASE
    lab = Lab(project.root / "state" / "engine", clock=Clock())
    lab.create()
    made = furnish(lab, lab.open())
    lab.close()
    return project, made


def machine(project: Project, name: str, configuration: str = "kmsplan: 1\n") -> Project:
    """Return another machine: a folder of its own, with nothing of the first but the variables."""
    root = project.root / name
    root.mkdir()
    other = Project(root, dict(project.environ))
    other.write(configuration)
    return other


def opened(project: Project) -> Engine:
    return Lab(project.root / "state" / "engine", clock=Clock()).open()


def test_an_engine_moves_to_another_machine_with_nothing_but_the_backup_and_its_passphrase(
    kept: tuple[Project, Furnished],
) -> None:
    here, made = kept
    answer = here.run("engine", "backup", "--output", "b", *LOCK)
    assert "Backed up engine " in answer.out
    assert "3 instance rows, 5 key rows, 7 key version rows, 1 alias row, 1 access key row" in answer.out
    assert "in another place: without it the backup opens to nobody" in answer.err
    there = machine(here, "there")
    (here.root / "b").rename(there.root / "b")
    (here.root / "state").rename(here.root / "gone")
    found = there.run("engine", "backup", "verify", "b", *LOCK, "--json").json()
    assert (found["format_version"], found["versions_opened"], found["hardware"]) == ("1.0", 7, [])
    restored = there.run("engine", "restore", "b", *LOCK)
    assert f"into {there.root}/state/engine." in restored.out
    assert "keep a copy of that file in another place" in restored.err
    assert "never both" in restored.err
    assert "verified" in there.run("engine", "audit", "verify").out
    assert there.run("engine", "status", "--json").json()["engine"] == found["engine"]
    engine = opened(there)
    check(engine, made)
    engine.close()


def test_an_engine_moves_from_a_file_to_postgresql_and_back(
    kept: tuple[Project, Furnished], postgres: PostgresServer
) -> None:
    here, made = kept
    here.environ["DATABASE"] = postgres.url(postgres.new_schema())
    here.run("engine", "backup", "--output", "b1", *KEY)
    served = machine(here, "served", "kmsplan: 1\nengine: {embedded: {postgres: {env: DATABASE}}}\n")
    served.run("engine", "restore", "../b1", "--key-file", "../backup.key")
    assert served.run("engine", "status", "--json").json()["database"] == "postgresql"
    served.run("engine", "backup", "--output", "../b2", "--key-file", "../backup.key")
    answer = served.run("engine", "restore", "../b1", "--key-file", "../backup.key", code=1)
    assert "already holds an engine; nothing was changed. Restore into another place" in answer.err
    assert "never-shown" not in answer.text
    back = machine(here, "back")
    back.run("engine", "restore", "../b2", "--key-file", "../backup.key")
    engine = opened(back)
    check(engine, made)
    engine.close()


def test_into_names_the_folder(kept: tuple[Project, Furnished]) -> None:
    here, made = kept
    here.run("engine", "backup", "--output", "b", *KEY)
    here.run("engine", "restore", "b", *KEY, "--into", "copy")
    engine = Lab(here.root / "copy", clock=Clock()).open()
    check(engine, made)
    engine.close()
    answer = here.run("engine", "restore", "b", *KEY, "--into", "copy", code=1)
    assert "already holds an engine" in answer.err


def _cut(project: Project) -> None:
    path = project.root / "b"
    path.write_bytes(path.read_bytes()[:-100])


def _flip(project: Project) -> None:
    path = project.root / "b"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def _newer(project: Project) -> None:
    path = project.root / "b"
    path.write_bytes(path.read_bytes().replace(b"kmsplan backup 1", b"kmsplan backup 2", 1))


def _no_backup(project: Project) -> None:
    (project.root / "b").write_text("notes\n")


def _open_key_file(project: Project) -> None:
    (project.root / "backup.key").chmod(0o644)


def _other_key_file(project: Project) -> None:
    (project.root / "backup.key").write_bytes(bytes(32))


def _no_key_file(project: Project) -> None:
    (project.root / "backup.key").unlink()


@pytest.mark.parametrize(
    ("spoil", "lock", "words"),
    [
        (_cut, KEY, "the backup b was damaged or cut off: what follows byte"),
        (_flip, KEY, "the backup b was damaged or cut off: what follows byte"),
        (_newer, KEY, "a newer kmsplan has written it. Install that version"),
        (_no_backup, KEY, "b is no backup of a kmsplan engine, or its first bytes were damaged. Name another file"),
        (_open_key_file, KEY, "is open to others than its owner (mode 0644). Close it: chmod 600 backup.key"),
        (_other_key_file, KEY, "the key file that was given does not open the backup b, or its head was damaged"),
        (_no_key_file, KEY, "the key file backup.key is missing, and nothing that it seals opens without it"),
        (None, LOCK, "the backup b is locked by a key file, and a passphrase was given"),
        (None, (), "give either --passphrase-env NAME or --key-file FILE"),
        (None, (*KEY, *LOCK), "give either --passphrase-env NAME or --key-file FILE"),
    ],
)
def test_a_backup_that_cannot_be_used_is_refused_alike_by_verify_and_restore(
    kept: tuple[Project, Furnished], spoil: Callable[[Project], None] | None, lock: tuple[str, ...], words: str
) -> None:
    here, _ = kept
    here.run("engine", "backup", "--output", "b", *KEY)
    if spoil is not None:
        spoil(here)
    for command in (("backup", "verify", "b"), ("restore", "b", "--into", "there")):
        assert words in here.run("engine", *command, *lock, code=1).err
    assert not (here.root / "there" / "keystore.db").exists()


def test_a_wrong_passphrase_is_refused_and_not_shown(kept: tuple[Project, Furnished]) -> None:
    here, _ = kept
    here.run("engine", "backup", "--output", "b", *LOCK)
    here.environ |= {"WRONG": "wrong-horse", "EMPTY": ""}
    for name in ("EMPTY", "UNSET"):
        answer = here.run("engine", "restore", "b", "--into", "there", "--passphrase-env", name, code=1)
        assert f"the environment variable {name} is not set, or empty" in answer.err
    answer = here.run("engine", "restore", "b", "--into", "there", "--passphrase-env", "WRONG", code=1)
    assert "the passphrase that was given does not open the backup b" in answer.err
    assert "horse" not in answer.text
    answer = here.run("engine", "backup", "--output", "c", "--passphrase-env", "EMPTY", code=1)
    assert "the environment variable EMPTY is not set, or empty" in answer.err
    assert not (here.root / "c").exists()


def test_an_output_that_cannot_be_is_named(kept: tuple[Project, Furnished]) -> None:
    here, _ = kept
    (here.root / "taken").write_text("precious")
    for output, words in (
        ("taken", "taken exists, and a backup never overwrites anything. Name another file"),
        ("/dev/full", "/dev/full exists, and a backup never overwrites anything"),
        ("missing/b", "the backup missing/b cannot be written (No such file or directory)"),
        ("/proc/b", "the backup /proc/b cannot be written"),
    ):
        assert words in here.run("engine", "backup", "--output", output, *KEY, code=1).err
    assert "name the backup: --output FILE" in here.run("engine", "backup", *KEY, code=1).err
    assert (here.root / "taken").read_text() == "precious"


def limited(project: Project, limit: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command that may write no file longer than this, as on a disk that is full then."""

    def small_files() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    # Whoever measures coverage would write a file, too, and complain.
    environment = {name: value for name, value in project.environment().items() if not name.startswith("COVERAGE")}
    return subprocess.run(
        [KMSPLAN, *arguments],
        cwd=project.root,
        env=environment,
        preexec_fn=small_files,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_disk_that_is_full_leaves_no_backup_and_no_engine(kept: tuple[Project, Furnished]) -> None:
    here, made = kept
    here.run("engine", "backup", "--output", "b", *KEY)
    done = limited(here, 8_000, "engine", "backup", "--output", "c", *KEY)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    done = limited(here, 40_000, "engine", "restore", "b", *KEY, "--into", "there")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "disk" in done.stderr
    names = {path.name for path in (*here.root.iterdir(), *(here.root / "there").iterdir())}
    assert "c" not in names
    assert not [name for name in names if ".new-" in name or name.startswith("keystore")]
    here.run("engine", "restore", "b", *KEY, "--into", "there")
    engine = Lab(here.root / "there", clock=Clock()).open()
    check(engine, made)
    engine.close()


_CALLS = ("openat", "write", "pwrite64", "fsync", "fdatasync", "link", "linkat", "unlink", "ftruncate")
_NAMELESS = "/#"
"""Stands in what strace calls a file without a name."""


def _killed(project: Project, call: str, count: int, *arguments: str) -> None:
    """Run a command and kill it as it makes a call that a thread of it makes for so many times then."""
    inject = f"inject={call}:signal=SIGKILL:when={count}"
    done = subprocess.run(
        ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e", inject, KMSPLAN, *arguments],
        cwd=project.root,
        env=project.environment(),
        capture_output=True,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, (call, count, done.stderr)


def _points(project: Project, path: str, *arguments: str) -> list[tuple[str, int]]:
    """Return where a command may be killed: calls that touch a path, and which one of its kind each is in its thread.

    So do those that touch a file without a name, for it may get that.

    Of each kind they are the first and the last.
    """
    log = project.root / "strace.log"
    subprocess.run(
        ["strace", "-f", "-y", "-qq", "-o", log, "-e", f"trace={','.join(_CALLS)}", KMSPLAN, *arguments],
        cwd=project.root,
        env=project.environment(),
        capture_output=True,
        check=True,
    )
    counts: Counter[tuple[str, str]] = Counter()
    found: dict[str, list[int]] = {}
    for line in log.read_text().splitlines():
        thread, rest = line.split(maxsplit=1)
        call = rest.partition("(")[0]
        counts[thread, call] += 1
        if call in _CALLS and (path in line or _NAMELESS in line):
            found.setdefault(call, []).append(counts[thread, call])
    return [(call, count) for call, all_of in found.items() for count in sorted({all_of[0], all_of[-1]})]


def test_a_backup_that_is_killed_anywhere_leaves_none_or_a_whole_one(kept: tuple[Project, Furnished]) -> None:
    here, _ = kept
    here.run("engine", "backup", "--output", "first", *KEY)
    points = _points(here, "/there", "engine", "backup", "--output", str(here.root / "there"), *KEY)
    assert {call for call, _ in points} >= {"openat", "write", "fsync", "linkat"}
    for call, count in points:
        output = here.root / f"b-{call}-{count}"
        command = ("engine", "backup", "--output", str(output), *KEY)
        _killed(here, call, count, *command)
        if not output.exists():
            here.run(*command)
        here.run("engine", "backup", "verify", str(output), *KEY)
    assert "verified" in here.run("engine", "audit", "verify").out


def test_a_restore_that_is_killed_anywhere_leaves_no_engine_or_a_whole_one(kept: tuple[Project, Furnished]) -> None:
    here, made = kept
    here.run("engine", "backup", "--output", "b", *KEY)
    points = _points(here, "/trial/", "engine", "restore", "b", *KEY, "--into", str(here.root / "trial"))
    assert {call for call, _ in points} >= {"openat", "write", "pwrite64", "fsync", "link"}
    for call, count in points:
        folder = here.root / f"r-{call}-{count}"
        command = ("engine", "restore", "b", *KEY, "--into", str(folder))
        _killed(here, call, count, *command)
        if not (folder / "keystore.db").exists():
            here.run(*command)
        engine = Lab(folder, clock=Clock()).open()
        check(engine, made)
        engine.close()


def test_no_key_is_in_the_clear_on_any_disk(kept: tuple[Project, Furnished]) -> None:
    here, made = kept
    engine = opened(here)
    secrets = {"imported material": IMPORTED, "access key": made.secret, **_inner_keys(engine)}
    check(engine, made)
    engine.close()
    said = []
    for number, command in enumerate(
        (
            ("backup", "--output", "b1", *LOCK),
            ("backup", "--output", "b2", *KEY),
            ("rotate-root",),
            ("rotate-keyring",),
            ("seal",),
            ("unseal",),
            ("backup", "--output", "b3", *LOCK),
            ("restore", "b1", *LOCK, "--into", "r1"),
            ("restore", "b3", *LOCK, "--into", "r3"),
            ("status", "--json"),
            ("audit", "export"),
        )
    ):
        answer = here.run("engine", *command)
        (here.root / f"said-{number}").write_text(answer.text)
        said.append(answer.text)
    engine = opened(here)
    secrets |= {f"new {name}": secret for name, secret in _inner_keys(engine).items()}
    engine.close()
    assert "".join(said)
    for path in filter(Path.is_file, here.root.rglob("*")):
        content = path.read_bytes().lower()
        assert PASSPHRASE.encode() not in content, path
        for name, secret in secrets.items():
            for form in (secret, secret.hex().encode()):
                assert form.lower() not in content, (name, path)


def _inner_keys(engine: Engine) -> dict[str, bytes]:
    """Return the root key, and all material that the engine can open."""
    core = core_of(engine)
    assert core.given is not None
    with core.store.read() as db:
        root = open_root(core.given, engine.engine_id, setting.load(db, "seal") or b"").reveal()
        rows = versions.wrapped_before(db, 1 << 30, 0, 1000)
    opened = {row.version_id: core.opened().unwrap(material_binding(row), row.term, row.wrapped) for row in rows}
    return {"root key": root, **{version: material.reveal() for version, material in opened.items()}}
