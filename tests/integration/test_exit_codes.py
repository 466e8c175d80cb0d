"""Every exit code that the README lists, from a command that ends with it."""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING

import pytest

from kmsplan.cli.exitcode import ExitCode
from kmsplan.resource.address import Address
from kmsplan.resource.step import Effect
from kmsplan.state.local import LocalStore
from tests.project import BASIC

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.project import Answer, Project


def done(project: Project) -> Answer:
    return project.run("plan", code=None)


def error(project: Project) -> Answer:
    project.write("kmsplan: 1\nkeys: {orders: {instance: nowhere}}\n")
    return project.run("validate", code=None)


def changes(project: Project) -> Answer:
    project.call("DisableKey", "KeyId=alias/orders")
    project.run("drift", code=ExitCode.CHANGES)
    return project.run("plan", "--detailed-exitcode", code=None)


def format_(project: Project) -> Answer:
    project.write(BASIC.replace("  orders:", "    orders:").replace("  signer:", "    signer:"))
    return project.run("fmt", "--check", code=None)


def refused(project: Project) -> Answer:
    project.write("kmsplan: 1\ninstances: {core: {type: software}}\n")
    return project.run("plan", code=None)


def approval_missing(project: Project) -> Answer:
    project.call("DisableKey", "KeyId=alias/orders")
    return project.run("apply", stdin="", code=None)


def lock_held(project: Project) -> Answer:
    with (project.root / "state" / "kmsplan.lock").open("r+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        return project.run("apply", "--auto-approve", code=None)


def stale(project: Project) -> Answer:
    project.call("DisableKey", "KeyId=alias/orders")
    project.run("plan", "-o", "x.plan")
    project.call("EnableKey", "KeyId=alias/orders")
    return project.run("apply", "x.plan", code=None)


def partly_applied(project: Project) -> Answer:
    vault = "  vault: {type: hardware, hsm: {module: /nowhere/lib.so, token: test, pin: {env: HSM_PIN}}}\n"
    project.environ["HSM_PIN"] = "4711-0815"
    project.write(BASIC.replace("keys:\n", vault + "keys:\n") + "  more: {instance: core}\n")
    return project.run("apply", "--auto-approve", code=None)


def cancelled(project: Project) -> Answer:
    project.call("DisableKey", "KeyId=alias/orders")
    return project.run("apply", stdin="no\n", code=None)


def in_doubt(project: Project) -> Answer:
    """An interrupted creation whose token two keys carry: nobody can tell which of them it made."""
    store = LocalStore(project.root / "state", entropy=os.urandom)
    with store.lock(owner="ada@host", command="kmsplan apply") as lock, store.open(lock) as writing:
        writing.journal.run(command="kmsplan apply")
        writing.journal.begin(
            address=Address("key.more"),
            operation="CreateKey",
            parameters={},
            token="t1",
            identity=None,
            effect=Effect(attributes={}),
        )
    owner = f'{{"kmsplan:owner":"{project.state()["lineage"]}/key.more/t1"}}'
    for address in ("key.orders", "key.signer"):
        project.call("TagResources", "ResourceType=key", f"ResourceId={project.identity(address)}", f"Tag={owner}")
    return project.run("apply", "--auto-approve", code=None)


STORIES: dict[ExitCode, tuple[Callable[[Project], Answer], str]] = {
    ExitCode.DONE: (done, "No changes."),
    ExitCode.ERROR: (error, "K501"),
    ExitCode.CHANGES: (changes, "will be updated in-place"),
    ExitCode.FORMAT: (format_, "kmsplan.yaml"),
    ExitCode.REFUSED: (refused, "deletion_protection: false"),
    ExitCode.APPROVAL_MISSING: (approval_missing, "--auto-approve"),
    ExitCode.LOCK_HELD: (lock_held, "S110"),
    ExitCode.STALE: (stale, "key.orders"),
    ExitCode.PARTLY_APPLIED: (partly_applied, "Resources: 1 added"),
    ExitCode.CANCELLED: (cancelled, "Nothing was changed."),
    ExitCode.IN_DOUBT: (in_doubt, "kmsplan never makes two"),
}


@pytest.mark.parametrize("code", STORIES, ids=lambda code: code.name.lower())
def test_a_command_ends_with_the_exit_code_and_its_words(applied: Project, code: ExitCode) -> None:
    story, words = STORIES[code]
    answer = story(applied)
    assert answer.code == code, answer.text
    assert words in answer.text


@pytest.mark.parametrize("command", ["plan", "drift"])
def test_what_only_reads_names_an_operation_in_doubt(applied: Project, command: str) -> None:
    in_doubt(applied)
    answer = applied.run(command, code=None)
    assert "In doubt: CreateKey of key.more, from an earlier run: 2 objects carry the owner tag" in answer.err
    assert "kmsplan apply does nothing before that is cleared up." in answer.err


def test_every_exit_code_has_a_story() -> None:
    assert STORIES.keys() == set(ExitCode)
