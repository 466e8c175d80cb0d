"""Ciphertexts that were tampered with, sent to a served engine: one answer for all of them, and never a 500.

The unit tests of the data plane try every call that makes a ciphertext with every call that opens one (`test_binding`);
here is what goes over the wire, and what a real token makes of it.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tests.openssl import OpenSsl
from tests.served import serve
from tests.signing import Signer
from tests.softhsm import LABEL, MODULE, PIN, SoftHsm

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.signing import Reply

pytestmark = pytest.mark.hsm
CONTEXT = json.dumps({"a": "b&c=d"})
CONFIGURATION = f"""\
kmsplan: 1
instances:
  core: {{type: software}}
  vault: {{type: hardware, hsm: {{module: {MODULE}, token: {LABEL}, pin: {{env: HSM_PIN}}}}}}
keys:
  aes: {{instance: core}}
  sm4: {{instance: core, spec: Aliyun_SM4}}
  hardware: {{instance: vault}}
"""
REFUSAL = (400, "InvalidParameter", 'The specified parameter "CiphertextBlob" is not valid.')
UNKNOWN = (404, "Forbidden.KeyNotFound")
KEY_ID, IDS = 25, 36
# A token takes milliseconds to refuse, and looks for its sentinel each time: a sample.
STEPS = {"aes": 1, "sm4": 1, "hardware": 7}


@dataclass(frozen=True)
class Kms:
    """A served engine, its keys by name, and somebody whom data keys are exported to."""

    signer: Signer
    keys: dict[str, str]
    recipient: dict[str, str]

    def sealed(self, key: str) -> bytes:
        """Return the ciphertext of a data key."""
        reply = self.signer.call("GenerateDataKey", {"KeyId": self.keys[key], "EncryptionContext": CONTEXT})
        return base64.b64decode(reply.json["CiphertextBlob"])

    def decrypt(self, blob: bytes, context: str = CONTEXT) -> Reply:
        return self.signer.call("Decrypt", {"CiphertextBlob": _text(blob), "EncryptionContext": context})

    def export(self, blob: bytes, context: str = CONTEXT) -> Reply:
        parameters = {"CiphertextBlob": _text(blob), "EncryptionContext": context, **self.recipient}
        return self.signer.call("ExportDataKey", parameters)

    def re_encrypt(self, blob: bytes, context: str = CONTEXT) -> Reply:
        to = {"DestinationKeyId": self.keys["aes"], "SourceEncryptionContext": context}
        return self.signer.call("ReEncrypt", {"CiphertextBlob": _text(blob), **to})


OPENERS: dict[str, Callable[..., Reply]] = {
    "Decrypt": Kms.decrypt,
    "ExportDataKey": Kms.export,
    "ReEncrypt": Kms.re_encrypt,
}


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _said(reply: Reply) -> tuple[int, str, str]:
    body: dict[str, Any] = reply.json
    return reply.status, body.get("Code", ""), body.get("Message", "")


@pytest.fixture(scope="module")
def kms(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kms]:
    root, openssl = tmp_path_factory.mktemp("served"), OpenSsl(tmp_path_factory.mktemp("openssl"))
    der = openssl.run("pkey", "-pubout", "-outform", "DER", given=openssl.run("genpkey", "-algorithm", "RSA"))
    recipient = {"PublicKeyBlob": _text(der), "WrappingAlgorithm": "RSAES_OAEP_SHA_256", "WrappingKeySpec": "RSA_2048"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HSM_PIN", PIN)
        SoftHsm.create(tmp_path_factory.mktemp("token"), patch)
        for served in serve(root, configuration=CONFIGURATION):
            served.project.apply()
            keys = {name: served.project.identity(f"key.{name}") for name in STEPS}
            yield Kms(Signer(served.endpoint, served.access_key_id, served.access_key_secret), keys, recipient)


@pytest.mark.parametrize("opener", OPENERS)
@pytest.mark.parametrize("key", STEPS)
def test_another_context_is_one_refusal_whatever_it_is(kms: Kms, key: str, opener: str) -> None:
    blob = kms.sealed(key)
    assert OPENERS[opener](kms, blob).status == 200
    others: tuple[dict[str, str], ...] = (
        {},
        {"a": "b", "c": "d"},
        {"a": "b"},
        {"a": "b&c=d", "e": "f"},
        {"A": "b&c=d"},
        {"a=b&c": "d"},
    )
    assert {_said(OPENERS[opener](kms, blob, json.dumps(other))) for other in others} == {REFUSAL}


@pytest.mark.parametrize("key", STEPS)
def test_a_byte_that_differs_is_one_refusal_wherever_it_is(kms: Kms, key: str) -> None:
    blob = kms.sealed(key)
    for place in range(0, len(blob), STEPS[key]):
        changed = blob[:place] + bytes([blob[place] ^ 1]) + blob[place + 1 :]
        said = _said(kms.decrypt(changed))
        # The key's id stands in the clear, and may have become that of no key.
        assert said == REFUSAL or (place < KEY_ID and said[:2] == UNKNOWN)


@pytest.mark.parametrize("key", STEPS)
def test_a_ciphertext_that_is_cut_or_longer_is_one_refusal(kms: Kms, key: str) -> None:
    blob = kms.sealed(key)
    cut = [blob[:length] for length in range(1, len(blob), STEPS[key])]
    longer = [blob + bytes(more) for more in (1, 12, 16, 100)]
    assert {_said(kms.decrypt(wrong)) for wrong in (*cut, *longer)} == {REFUSAL}


@pytest.mark.parametrize("opener", OPENERS)
@pytest.mark.parametrize("key", STEPS)
def test_every_call_that_opens_a_ciphertext_refuses_alike(kms: Kms, key: str, opener: str) -> None:
    blob = kms.sealed(key)
    for wrong in (blob[:-1], blob + b"\0", blob[:IDS], blob[:-1] + bytes([blob[-1] ^ 1]), b"x", bytes(200)):
        assert _said(OPENERS[opener](kms, wrong)) == REFUSAL
    other = blob[:IDS] + kms.sealed(next(name for name in STEPS if name != key))[IDS:]
    assert _said(OPENERS[opener](kms, other)) == REFUSAL
