"""Whatever arrives at either side of the proxy API is read, or refused in its own words; nothing else happens."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kmsplan.engine.caller import Caller
from kmsplan.engine.protection.external import _join, _split
from kmsplan.engine.protection.protocol import InvalidCiphertextError
from kmsplan.engine.xks.credential import CredentialError, generate, read, written
from kmsplan.engine.xks.fault import MESSAGE_LENGTH, STATUS, plain
from kmsplan.engine.xks.field import FieldError, encoded, read_object
from kmsplan.engine.xks.health import Health
from kmsplan.engine.xks.message import (
    Sealed,
    read_decrypt,
    read_encrypt,
    read_health,
    read_key_metadata,
    read_metadata,
    read_sealed,
)
from kmsplan.engine.xks.proxy import Proxy
from kmsplan.engine.xks.signature import Credential, Signable, SignatureError, sign, verify
from kmsplan.kms.secret import SecretBytes
from tests.engines import Lab, new_instance, new_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CREDENTIAL = Credential(access_key_id="AKIDEXAMPLE234567ABC", secret=SecretBytes(b"secret"))
SECRETS = {CREDENTIAL.access_key_id: CREDENTIAL.secret}
PATH = "/kms/xks/v1"

_names = st.sampled_from(
    [
        *("requestMetadata", "awsPrincipalArn", "kmsKeyArn", "kmsOperation", "kmsRequestId", "plaintext", "ciphertext"),
        *("encryptionAlgorithm", "additionalAuthenticatedData", "ciphertextDataIntegrityValueAlgorithm"),
        *("initializationVector", "authenticationTag", "ciphertextMetadata", "keySpec", "keyUsage", "keyStatus"),
        *("ekmFleetDetails", "healthStatus", "id", "model"),
    ]
)
_words = st.sampled_from(
    ["AES_GCM", "SHA_256", "ENABLED", "ACTIVE", "AAAA", "", "a", encoded(bytes(12)), encoded(bytes(16))]
)
_scalars = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text() | _words
_values = st.recursive(
    _scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_names | st.text(), inner, max_size=6)
)
_objects = st.dictionaries(_names, _values, max_size=10)
_binary = st.binary(max_size=64)


@given(st.binary(max_size=300) | _values.map(orjson.dumps))
def test_a_body_is_an_object_or_refused(body: bytes) -> None:
    refusal = ""
    try:
        assert isinstance(read_object(body), dict)
    except FieldError as error:
        refusal = str(error)
    assert len(body) < 8 or body.decode("latin-1") not in refusal


@pytest.mark.parametrize(
    "reader", [read_metadata, read_encrypt, read_decrypt, read_sealed, read_key_metadata, read_health]
)
@given(_objects)
def test_an_object_is_a_message_or_refused(reader: Callable[[dict[str, Any]], Any], fields: dict[str, Any]) -> None:
    refusal = "none"
    try:
        reader(fields)
    except FieldError as error:
        refusal = str(error)
    assert refusal


_sealed = st.builds(
    Sealed,
    ciphertext=_binary.map(lambda rest: bytes(16) + rest),
    iv=st.sampled_from([12, 16]).map(os.urandom),
    tag=st.binary(min_size=16, max_size=16),
    metadata=st.binary(max_size=20),
)


@given(_sealed)
def test_a_ciphertext_is_read_as_it_was_written(sealed: Sealed) -> None:
    assert read_sealed(sealed.fields()) == sealed


@given(st.binary(min_size=16, max_size=16), _sealed)
def test_a_sealed_text_is_taken_apart_as_it_was_put_together(nonce: bytes, sealed: Sealed) -> None:
    assert _split(_join(nonce, sealed)) == (nonce, sealed)


@given(st.binary(max_size=120), st.binary(min_size=16, max_size=16), _sealed, st.integers(0, 200))
def test_any_bytes_are_a_sealed_text_or_none(junk: bytes, nonce: bytes, sealed: Sealed, cut: int) -> None:
    for text in (junk, b"\x01" + junk, _join(nonce, sealed)[:cut]):
        try:
            assert _join(*_split(text)) == text
        except InvalidCiphertextError:
            continue


_tokens = st.text(st.characters(codec="latin-1"), max_size=40)
_headers = st.dictionaries(
    st.sampled_from(["authorization", "host", "x-amz-date", "content-type"]) | _tokens.map(str.lower),
    _tokens,
    max_size=5,
)


@given(_headers, _tokens, st.binary(max_size=50))
def test_a_request_that_was_not_signed_is_refused(headers: dict[str, str], path: str, body: bytes) -> None:
    with pytest.raises(SignatureError):
        verify(Signable(method="POST", path=path, headers=headers, body=body), SECRETS, NOW)


@given(st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), max_size=80), st.binary(max_size=80))
def test_a_request_that_was_signed_is_accepted(path: str, body: bytes) -> None:
    headers = sign(CREDENTIAL, "local", host="proxy", path=path, body=body, now=NOW)
    named = {name.lower(): value for name, value in headers.items()}
    assert (
        verify(Signable(method="POST", path=path, headers=named, body=body), SECRETS, NOW) == CREDENTIAL.access_key_id
    )


@given(st.integers(0, 200), st.sampled_from("0123456789abcdef; =/,"))
def test_an_authorization_with_another_character_is_refused_or_means_the_same(at: int, char: str) -> None:
    headers = sign(CREDENTIAL, "local", host="proxy", path="/", body=b"", now=NOW)
    authorization = headers["Authorization"]
    changed = authorization[: at % len(authorization)] + char + authorization[at % len(authorization) + 1 :]
    request = Signable(
        method="POST",
        path="/",
        headers={"host": "proxy", "x-amz-date": headers["X-Amz-Date"], "authorization": changed},
        body=b"",
    )
    if changed == authorization:
        assert verify(request, SECRETS, NOW)
    else:
        with pytest.raises(SignatureError):
            verify(request, SECRETS, NOW)


@given(st.binary(max_size=200) | _values.map(orjson.dumps))
def test_a_text_is_an_access_key_or_refused_and_not_repeated(content: bytes) -> None:
    with pytest.raises(CredentialError) as caught:
        read(SecretBytes(content))
    with pytest.raises(CredentialError) as usual:
        read(SecretBytes(b"another"))
    text = content.decode("latin-1")
    assert len(content) < 8 or text not in str(caught.value).replace(text, "", str(usual.value).count(text))


@given(st.randoms())
def test_an_access_key_is_read_as_it_was_made(random: Any) -> None:
    made = generate(random.randbytes)
    found = read(SecretBytes(written(made, PATH)))
    assert found.access_key_id == made.access_key_id
    assert found.secret.matches(made.secret)


@given(st.text())
def test_a_message_of_the_api_is_printable_ascii_and_not_too_long(text: str) -> None:
    message = plain(text)
    assert message.isascii()
    assert message == "" or message.isprintable()
    assert len(message) <= MESSAGE_LENGTH


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    lab = Lab(tmp_path_factory.mktemp("xks") / "engine")
    lab.create()
    engine = lab.open()
    instance = new_instance(engine)
    key = new_key(engine, instance)
    health = Health(engine.acting(Caller(actor="health")), {instance: key}, "kmsplan", lambda: 0.0)
    yield Proxy(engine, {"k": key}, SECRETS, health=health, path=PATH, clock=lambda: NOW, region=None, version="1")
    lab.close()


_paths = st.sampled_from(["/health", "/keys/k/metadata", "/keys/k/encrypt", "/keys/k/decrypt", "/keys/x/encrypt"]).map(
    PATH.__add__
)


@settings(max_examples=60)
@given(_paths | _tokens, st.sampled_from(["POST", "GET", "PUT"]), _headers, st.binary(max_size=100), _tokens)
def test_a_proxy_answers_whatever_it_is_asked(
    proxy: Proxy, path: str, method: str, headers: dict[str, str], body: bytes, query: str
) -> None:
    reply = proxy.answer(Signable(method=method, path=path, headers=headers, body=body), query, "peer")
    assert reply.status in (401, 404, 405)
    assert orjson.loads(reply.body)["errorName"]


@settings(max_examples=60)
@given(_paths, _objects.map(orjson.dumps) | st.binary(max_size=100))
def test_a_proxy_answers_whatever_is_signed(proxy: Proxy, path: str, body: bytes) -> None:
    headers = sign(CREDENTIAL, "local", host="proxy", path=path, body=body, now=NOW)
    named = {name.lower(): value for name, value in headers.items()}
    reply = proxy.answer(Signable(method="POST", path=path, headers=named, body=body), "", "peer")
    answer = orjson.loads(reply.body)
    assert reply.status == (STATUS[answer["errorName"]] if "errorName" in answer else 200)
    assert answer.get("errorName") != "InternalException"
