"""Scenarios of what keeps an engine and its state over the years: backups, seals, terms, earlier states."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Final

from tests.crash.configurations import FIRST, HARDWARE_FIRST, IN_DATABASE
from tests.crash.scenario import Scenario, Step
from tests.crash.site import Database, Token
from tests.project import SOFTHSM

if TYPE_CHECKING:
    from pathlib import Path

_BACKUP: Final = "monday.backup"
_KEY_FILE: Final = ("--key-file", "backup.key")
_PASSPHRASE: Final = ("--passphrase-env", "BACKUP_PASSPHRASE")
_SECRETS: Final = {"BACKUP_PASSPHRASE": b"correct horse battery", "ENGINE_PASSPHRASE": b"staple, and another one"}
_VERIFY: Final = ("engine", "audit", "verify")
_NEW_KEY_FILE: Final = "new.key"


def _sealed(text: str, seal: str) -> str:
    """Return a configuration whose engine is sealed that way."""
    return f"engine: {{embedded: {{seal: {{{seal}}}}}}}\n{text}"


def _by_file(text: str) -> str:
    return _sealed(text, f"file: {_NEW_KEY_FILE}")


def _by_passphrase(text: str) -> str:
    return _sealed(text, "passphrase: {env: ENGINE_PASSPHRASE}")


def _by_token(text: str) -> str:
    return _sealed(text, f"hsm: {{module: {SOFTHSM}, token: test, pin: {{env: HSM_PIN}}}}")


def _back_up(lock: tuple[str, ...]) -> tuple[str, ...]:
    return ("engine", "backup", "--output", _BACKUP, *lock)


def _restore(lock: tuple[str, ...]) -> tuple[str, ...]:
    return ("engine", "restore", _BACKUP, *lock)


def _lose_engine(root: Path) -> None:
    shutil.rmtree(root / "state" / "engine")


def _lose_keystore(root: Path) -> None:
    """Lose what is in the database; the key file, the checkpoint and the nonces are still there."""
    for path in (root / "state" / "engine").glob("keystore.db*"):
        path.unlink()


def _lose_state(root: Path) -> None:
    for path in (root / "state").iterdir():
        if path.name != "engine":
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _keep_state(root: Path) -> None:
    shutil.copytree(root / "state", root / "kept", ignore=shutil.ignore_patterns("engine"))


def _put_back_state(root: Path) -> None:
    _lose_state(root)
    shutil.copytree(root / "kept", root / "state", dirs_exist_ok=True)
    shutil.rmtree(root / "kept")


_RESTORED: Final = ("already holds an engine; nothing was changed",)
_OLD_SEAL: Final = ("does not open the engine's root key", "Correct engine: {embedded: {seal: ...}}")
_ROTATE_ROOT: Final = ("engine", "rotate-root")
_TO_FILE: Final = (*_ROTATE_ROOT, "--to-file", _NEW_KEY_FILE)
_TO_TOKEN: Final = (*_ROTATE_ROOT, "--to-hsm", str(SOFTHSM), "test", "--pin-env", "HSM_PIN")
_UNSEAL: Final = ("engine", "unseal")
_LATER: Final = FIRST.replace("aliases: {", "  later: {instance: core, aliases: [later]}\naliases: {")

UPKEEP: Final = (
    Scenario(
        name="backup",
        before=(Step(text=FIRST),),
        after=Step(text=FIRST, instead=_back_up(_KEY_FILE)),
        refusals=("exists, and a backup never overwrites anything",),
        then=(
            Step(text=FIRST, instead=("engine", "backup", "verify", _BACKUP, *_KEY_FILE)),
            Step(text=FIRST, instead=(*_restore(_KEY_FILE), "--into", "copy")),
        ),
    ),
    Scenario(
        name="restore",
        before=(Step(text=_by_passphrase(FIRST)),),
        ready=(Step(text=_by_passphrase(FIRST), instead=_back_up(_PASSPHRASE)),),
        after=Step(text=_by_passphrase(FIRST), instead=_restore(_PASSPHRASE), prepare=_lose_engine),
        refusals=_RESTORED,
        secrets=_SECRETS,
    ),
    Scenario(
        name="restore in place",
        before=(Step(text=FIRST),),
        ready=(Step(text=FIRST, instead=_back_up(_KEY_FILE)),),
        after=Step(text=FIRST, instead=_restore(_KEY_FILE), prepare=_lose_keystore),
        refusals=_RESTORED,
    ),
    Scenario(
        name="hardware restore",
        before=(Step(text=_by_token(HARDWARE_FIRST)),),
        ready=(Step(text=_by_token(HARDWARE_FIRST), instead=_back_up(_KEY_FILE)),),
        after=Step(text=_by_token(HARDWARE_FIRST), instead=_restore(_KEY_FILE), prepare=_lose_engine),
        refusals=_RESTORED,
        site=Token(),
    ),
    Scenario(
        name="database restore",
        before=(Step(text=FIRST),),
        ready=(Step(text=FIRST, instead=_back_up(_KEY_FILE)),),
        after=Step(text=IN_DATABASE + FIRST, instead=_restore(_KEY_FILE)),
        refusals=_RESTORED,
        site=Database(),
    ),
    Scenario(
        name="seal",
        before=(Step(text=FIRST),),
        after=Step(text=FIRST, instead=("engine", "seal")),
        then=(Step(text=FIRST, instead=_UNSEAL),),
    ),
    Scenario(
        name="unseal",
        before=(Step(text=_by_passphrase(FIRST)),),
        ready=(Step(text=_by_passphrase(FIRST), instead=("engine", "seal")),),
        after=Step(text=_by_passphrase(FIRST), instead=_UNSEAL),
        secrets=_SECRETS,
    ),
    Scenario(name="create under an HSM", after=Step(text=_by_token(FIRST)), site=Token()),
    Scenario(
        name="new root key",
        before=(Step(text=FIRST),),
        after=Step(text=FIRST, instead=_TO_FILE),
        refusals=_OLD_SEAL,
        then=(Step(text=_by_file(FIRST), instead=_VERIFY),),
        seals=(FIRST, _by_file(FIRST)),
    ),
    Scenario(
        name="root key into an HSM",
        before=(Step(text=FIRST),),
        after=Step(text=FIRST, instead=_TO_TOKEN),
        refusals=_OLD_SEAL,
        then=(Step(text=_by_token(FIRST), instead=_VERIFY),),
        seals=(FIRST, _by_token(FIRST)),
        site=Token(),
    ),
    Scenario(
        name="root key out of an HSM",
        before=(Step(text=_by_token(FIRST)),),
        after=Step(text=_by_token(FIRST), instead=_TO_FILE),
        refusals=_OLD_SEAL,
        then=(Step(text=_by_file(FIRST), instead=_VERIFY),),
        seals=(_by_token(FIRST), _by_file(FIRST)),
        site=Token(),
    ),
    Scenario(
        name="new keyring key",
        before=(Step(text=_by_passphrase(FIRST)),),
        after=Step(text=_by_passphrase(FIRST), instead=("engine", "rotate-keyring")),
        secrets=_SECRETS,
    ),
    Scenario(
        name="state restore",
        before=(Step(text=FIRST),),
        ready=(Step(text=FIRST, instead=("state", "rm", "key.several", "--without-approval", "a mistake")),),
        after=Step(text=FIRST, instead=("state", "restore", "1", "--auto-approve")),
        then=(Step(text=FIRST),),
    ),
    Scenario(
        name="older state",
        before=(Step(text=FIRST), Step(text=_LATER, prepare=_keep_state)),
        after=Step(text=_LATER, options=("--accept-old-state",), prepare=_put_back_state),
    ),
    Scenario(
        name="state rebuild",
        before=(Step(text=FIRST),),
        after=Step(text=FIRST, instead=("state", "rebuild"), prepare=_lose_state),
        refusals=("there is a state already",),
        then=(Step(text=FIRST),),
    ),
)
