"""Approvals by a key of a KMS that is reached over its API."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from kmsplan.approval.signature import load
from tests.approval import Approvers
from tests.project import Project
from tests.served import Served, serve

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEYS = {
    "desk": {"instance": "core", "spec": "EC_P256"},
    "vault": {"instance": "core", "spec": "RSA_2048", "usage": "SIGN/VERIFY"},
    "sm": {"instance": "core", "spec": "EC_SM2", "usage": "SIGN/VERIFY"},
    "orders": {"instance": "core", "tags": {"team": "payments"}},
}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    yield from serve(tmp_path_factory.mktemp("served"))


@pytest.fixture
def client(served: Served, tmp_path: Path) -> Project:
    """Keys that are applied, and a saved plan."""
    project = Project(tmp_path, served.environ)

    def write(team: str) -> None:
        keys = {**KEYS, "orders": {"instance": "core", "tags": {"team": team}}}
        document = {"kmsplan": 1, "engine": {"alibaba": served.engine()}, "keys": keys}
        project.write(json.dumps({**document, "instances": {"core": {"type": "software"}}}))

    write("payments")
    project.apply()
    write("billing")
    project.run("plan", "-o", "x.plan")
    return project


def test_keys_of_the_kms_sign_over_its_api(client: Project) -> None:
    approvers = Approvers(client)
    client.run("plan", "sign", "x.plan", "--kms-key", "key.desk", "--name", "desk")
    client.run("plan", "sign", "x.plan", "--kms-key", client.identity("key.vault"), "--name", "vault")
    found = load((client.root / "x.plan.sig").read_bytes(), "x.plan.sig")
    approvers.trust(**{one.statement.signer: one.key.text for one in found})
    refused = client.run("plan", "sign", "x.plan", "--kms-key", "key.sm", code=1)
    assert "key.sm cannot sign plans" in refused.err
    unknown = client.run("plan", "sign", "x.plan", "--kms-key", "key-aaaaaaaaaaaaaaaaaaaaa", code=1)
    assert "Forbidden.KeyNotFound" in unknown.err
    symmetric = client.run("plan", "sign", "x.plan", "--kms-key", "key.orders", code=1)
    assert symmetric.err
    arguments = ("apply", "x.plan", "--require-signatures", "2", "--trusted", "ops.trusted.yaml")
    assert "1 changed" in client.run(*arguments).out
