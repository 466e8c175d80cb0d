"""What a ciphertext is bound to, for every call that makes one and every call that opens one, in each kind of key."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from kmsplan.engine.ciphertext import KEY_ID_LENGTH
from kmsplan.engine.dataplane.datakey import Recipient
from kmsplan.engine.protection.protocol import InvalidCiphertextError
from kmsplan.kms.error import KmsError
from kmsplan.kms.spec import KeySpec
from kmsplan.server.answer import failure
from tests.engines import new_instance, new_key

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kmsplan.engine.service import Engine

    Context = Mapping[str, str] | None

CONTEXT = {"a": "b", "c": "d&e"}
OTHERS: tuple[Context, ...] = (
    None,
    {},
    {"a": "b"},
    {"c": "d&e"},
    {**CONTEXT, "f": "g"},
    {**CONTEXT, "": ""},
    {"a": "d&e", "c": "b"},
    {"a": "b&c=d&e"},
    {"a=b&c": "d&e"},
    {"a": "b", "c": "d", "e": ""},
    {"ab": "", "c": "d&e"},
    {"": "ab", "c": "d&e"},
    {"A": "b", "c": "d&e"},
    {"a": "b ", "c": "d&e"},
    {"a": "b", "c": "d%26e"},
)
# Contexts that a join by `k=v&k=v`, by lines or by nothing at all would take for one another; texts that look alike.
AMBIGUOUS = (
    ({"a": "b&c=d"}, {"a": "b", "c": "d"}),
    ({"a": "b=c"}, {"a=b": "c"}),
    ({"a": "b", "c": "d"}, {"a": "b\0c\0d"}),
    ({"a": "b\nc=d"}, {"a": "b", "c": "d"}),
    ({"ab": "c"}, {"a": "bc"}),
    ({"a": ""}, {"": "a"}),
    ({"é": "x"}, {"e\u0301": "x"}),
)
REFUSAL = (400, "InvalidParameter", 'The specified parameter "CiphertextBlob" is not valid.')
IDS = 36
"""Characters of the version id, which stands before all that is encrypted and is no secret."""
_KEY = rsa.generate_private_key(65537, 2048).public_key()
RECIPIENT = Recipient(
    _KEY.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo), "RSA_2048", "RSAES_OAEP_SHA_256"
)

MAKERS: dict[str, Callable[[Engine, str, Context], bytes]] = {
    "Encrypt": lambda engine, key, context: engine.encrypt(key, base64.b64encode(b"page"), context).blob,
    "ReEncrypt": lambda engine, key, context: (
        engine.begin.re_encrypt(engine.encrypt(key, base64.b64encode(b"page")).blob, key, context=context).wait().blob
    ),
    "GenerateDataKey": lambda engine, key, context: engine.generate_data_key(key, 32, context).blob,
    "GenerateDataKeyWithoutPlaintext": lambda engine, key, context: (
        engine.generate_data_key(key, 32, context, export=False).blob
    ),
    "GenerateAndExportDataKey": lambda engine, key, context: (
        engine.begin.generate_and_export_data_key(key, 32, RECIPIENT, context).wait().blob
    ),
}
OPENERS: dict[str, Callable[[Engine, bytes, Context], object]] = {
    "Decrypt": lambda engine, blob, context: engine.decrypt(blob, context),
    "ExportDataKey": lambda engine, blob, context: engine.begin.export_data_key(blob, RECIPIENT, context).wait(),
    "ReEncrypt": lambda engine, blob, context: engine.begin.re_encrypt(
        blob, blob[:25].decode(), source_context=context
    ).wait(),
}


@pytest.fixture(params=["AES", "SM4", "hardware"])
def key(engine: Engine, request: pytest.FixtureRequest) -> str:
    """A key of each kind that encrypts."""
    place = new_instance(engine, "hardware" if request.param == "hardware" else "software")
    return new_key(engine, place, KeySpec.SM4 if request.param == "SM4" else KeySpec.AES_256)


def _answer(call: Callable[..., object], *given: object) -> tuple[int, str, str]:
    """Return what a caller is told who is refused."""
    with pytest.raises((InvalidCiphertextError, KmsError)) as caught:
        call(*given)
    return failure(caught.value)[:3]


@pytest.mark.parametrize("opener", OPENERS)
@pytest.mark.parametrize("maker", MAKERS)
def test_every_way_to_a_ciphertext_binds_the_context_for_every_way_to_open_it(
    engine: Engine, key: str, maker: str, opener: str
) -> None:
    blob = MAKERS[maker](engine, key, CONTEXT)
    assert OPENERS[opener](engine, blob, dict(reversed(CONTEXT.items())))
    for other in OTHERS:
        assert _answer(OPENERS[opener], engine, blob, other) == REFUSAL


@pytest.mark.parametrize(("first", "second"), AMBIGUOUS)
def test_contexts_that_look_alike_are_not_taken_for_one_another(
    engine: Engine, key: str, first: Context, second: Context
) -> None:
    for right, wrong in ((first, second), (second, first)):
        blob = engine.encrypt(key, b"page", right).blob
        assert engine.decrypt(blob, right).plaintext == b"page"
        assert _answer(engine.decrypt, blob, wrong) == REFUSAL


def test_a_ciphertext_without_a_context_opens_with_none_or_an_empty_one_only(engine: Engine, key: str) -> None:
    for maker in MAKERS.values():
        blob = maker(engine, key, None)
        assert engine.decrypt(blob) == engine.decrypt(blob, {})
        for other in ({"": ""}, CONTEXT):
            assert _answer(engine.decrypt, blob, other) == REFUSAL


def test_no_bit_of_a_ciphertext_may_differ_and_only_another_keys_id_is_told(engine: Engine, key: str) -> None:
    blob = engine.encrypt(key, b"page", CONTEXT).blob
    answers: dict[bool, set[tuple[int, str, str]]] = {True: set(), False: set()}
    for bit in range(len(blob) * 8):
        changed = bytearray(blob)
        changed[bit // 8] ^= 1 << bit % 8
        status, code, message = _answer(engine.decrypt, bytes(changed), CONTEXT)
        in_key_id = bit // 8 < KEY_ID_LENGTH
        answers[in_key_id].add((status, code, "" if code == "Forbidden.KeyNotFound" else message))
    assert answers == {True: {(404, "Forbidden.KeyNotFound", ""), REFUSAL}, False: {REFUSAL}}


@pytest.mark.parametrize("opener", OPENERS)
def test_a_version_that_a_key_never_had_is_refused_as_what_no_key_made(engine: Engine, key: str, opener: str) -> None:
    blob = engine.encrypt(key, b"page", CONTEXT).blob
    unknown = blob[:KEY_ID_LENGTH] + b"-0000000000" + blob[IDS:]
    assert _answer(OPENERS[opener], engine, unknown, CONTEXT) == REFUSAL
    entry = list(engine.audit_entries())[-1]
    assert (entry["action"], entry["resource"], entry["result"]) == (opener, key, "InvalidCiphertext")


def test_a_ciphertext_that_is_cut_or_longer_is_refused_with_one_answer(engine: Engine, key: str) -> None:
    blob = engine.encrypt(key, b"page", CONTEXT).blob
    cut = [blob[:length] for length in range(len(blob))]
    longer = [blob + bytes(more) for more in (1, 16, 4096)]
    inside = [blob[:IDS] + bytes(12) + blob[IDS:], blob[:IDS] + blob[IDS + 12 :], blob[:IDS] + blob[IDS + 16 :]]
    assert {_answer(engine.decrypt, wrong, CONTEXT) for wrong in (*cut, *longer, *inside, blob * 2)} == {REFUSAL}


def test_the_parts_of_two_ciphertexts_do_not_go_together(engine: Engine, key: str) -> None:
    one, other = (engine.encrypt(key, text, CONTEXT).blob for text in (b"page one", b"page two"))
    for cut in (IDS + 12, IDS + 12 + 8):
        assert _answer(engine.decrypt, one[:cut] + other[cut:], CONTEXT) == REFUSAL


@pytest.mark.parametrize(
    ("spec", "algorithm"),
    [
        (KeySpec.RSA_2048, "RSAES_OAEP_SHA_256"),
        (KeySpec.RSA_2048, "RSAES_OAEP_SHA_1"),
        (KeySpec.EC_SM2, "SM2PKE"),
    ],
)
def test_no_byte_of_a_public_keys_ciphertext_may_differ(
    engine: Engine, instance: str, spec: KeySpec, algorithm: str
) -> None:
    own = new_key(engine, instance, spec, usage="ENCRYPT/DECRYPT")
    blob = engine.asymmetric_encrypt(own, None, algorithm, b"page")
    flipped = [blob[:at] + bytes([blob[at] ^ 1]) + blob[at + 1 :] for at in range(len(blob))]
    cut = [blob[:length] for length in range(len(blob))]
    assert {
        _answer(engine.asymmetric_decrypt, own, None, algorithm, wrong)
        for wrong in (*flipped, *cut, blob + b"\0", blob * 2, b"\0" + blob)
    } == {REFUSAL}
