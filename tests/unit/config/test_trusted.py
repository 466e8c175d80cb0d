from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from kmsplan.config.diagnostic import ConfigurationError
from kmsplan.config.problems import Problems
from kmsplan.config.trusted import read_trusted
from tests.unit.approval.conftest import ADA, BOB

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.unit.config.conftest import Load

SIGNERS = f"""\
signers:
  ada: {{key: {ADA.key.public.text}, authors: ["lovelace@*"]}}
  bob: {{key: {BOB.key.public.text}}}
"""
APPROVAL = "approval: {signatures: 2, trusted: ops.trusted.yaml, not_author: true, expires: 12h}\n"


@pytest.fixture
def signers(tmp_path: Path) -> Path:
    path = tmp_path / "ops.trusted.yaml"
    path.write_text(SIGNERS)
    return path


def test_signers_are_names_keys_and_authors(signers: Path) -> None:
    assert read_trusted(signers, "x", Problems()) == (ADA.trusted("lovelace@*"), BOB.trusted())


@pytest.mark.usefixtures("signers")
def test_a_configuration_can_ask_for_signatures(loaded: Load) -> None:
    assert loaded("").approval is None
    policy = loaded(APPROVAL).approval
    assert policy is not None
    assert (policy.required, policy.not_author, policy.max_age) == (2, True, timedelta(hours=12))
    assert [signer.name for signer in policy.signers] == ["ada", "bob"]
    defaults = loaded("approval: {signatures: 1, trusted: ops.trusted.yaml}\n").approval
    assert defaults is not None
    assert (defaults.not_author, defaults.max_age) == (False, timedelta(days=1))


def test_who_must_approve_is_in_the_digest_wherever_it_stands(loaded: Load, signers: Path) -> None:
    first = loaded(APPROVAL).digest
    assert loaded("").digest != first
    assert loaded(APPROVAL.replace("2", "1")).digest != first
    signers.rename(signers.with_name("all.trusted.yaml"))
    assert loaded(APPROVAL.replace("ops", "all")).digest == first
    (signers.with_name("all.trusted.yaml")).write_text(SIGNERS.replace("lovelace", "byron"))
    assert loaded(APPROVAL.replace("ops", "all")).digest != first


def test_a_missing_file_of_signers_is_an_error_and_not_nobody(codes: Callable[..., list[str]]) -> None:
    assert codes(APPROVAL) == ["K102"]


def test_a_missing_file_of_signers_is_told_where_it_is_named(loaded: Load) -> None:
    with pytest.raises(ConfigurationError) as caught:
        loaded(APPROVAL)
    (found,) = caught.value.diagnostics
    assert found.detail.startswith("ops.trusted.yaml cannot be read: no such file or directory. ")
    assert found.excerpt == APPROVAL.rstrip()
    assert found.span is not None
    assert APPROVAL[found.span.column - 1 :].startswith("ops.trusted.yaml")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "K424"),
        ("signers: {}\n", "K424"),
        ("signers: []\n", "K424"),
        (SIGNERS + "more: 1\n", "K424"),
        (SIGNERS + SIGNERS.splitlines()[2] + "\n", "K108"),
        (SIGNERS.replace("ada: {", "ada: &a {"), "K110"),
        (SIGNERS.replace("key:", "key: |\n", 1), "K106"),
        (SIGNERS.replace("ada", "${var.x}"), "K424"),
        (SIGNERS.replace(ADA.key.public.text, BOB.key.public.text), "K424"),
    ],
)
def test_half_a_list_is_no_list(codes: Callable[..., list[str]], signers: Path, text: str, code: str) -> None:
    signers.write_text(text)
    assert code in codes(APPROVAL)
    assert read_trusted(signers, "x", Problems()) is None


@pytest.mark.usefixtures("signers")
@pytest.mark.parametrize("reference", ['approval: "${var.all}"\n', APPROVAL.replace("s: 2", 's: "${var.few}"')])
def test_variables_cannot_say_who_must_approve(codes: Callable[..., list[str]], reference: str) -> None:
    variables = "variables: {few: {default: 1}, all: {type: map, default: {signatures: 1, trusted: x}}}\n"
    assert "K306" in codes(variables + reference)
