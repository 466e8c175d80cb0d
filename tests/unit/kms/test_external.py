from __future__ import annotations

import re

import pytest

from kmsplan.kms.external import (
    EXTERNAL_KEY_PATTERN,
    canonical_fingerprint,
    canonical_url,
    fingerprint_problem,
    is_external_key,
    is_loopback,
    path_problem,
    url_problem,
)

FINGERPRINT = ":".join(["AB"] * 32)


@pytest.mark.parametrize(
    "url",
    [
        "https://proxy.example",
        "https://proxy.example:8443/",
        "http://127.0.0.1:1",
        "http://[::1]:8",
        "https://[2001:db8::1]",
        "https://xn--bcher-kva.example",
        "https://my_proxy",
        f"https://{'a' * 63}.b",
    ],
)
def test_a_proxy_is_named_by_scheme_host_and_port(url: str) -> None:
    assert url_problem(url) is None


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("ftp://proxy.example", "https://HOST"),
        ("proxy.example", "https://HOST"),
        ("https://", "https://HOST"),
        ("https://user:secret@proxy.example", "https://HOST"),
        ("https://proxy.example:0", "https://HOST"),
        ("https://proxy.example:65536", "https://HOST"),
        ("https://proxy.example/kms/xks/v1", "belongs into `path`"),
        ("https://proxy.example?a=b", "belongs into `path`"),
        ("https://proxy.example#a", "belongs into `path`"),
        ("http://proxy.example", "use https"),
        ("http://192.0.2.1", "use https"),
        ("https://a..b", "no host's name"),
        (f"https://{'a' * 64}.example", "no host's name"),
        (f"https://{'a.' * 127}example", "no host's name"),
        ("https://ex ample", "no host's name"),
        ("https://h\x00", "no host's name"),
        ("https://b\u00fccher.example", "no host's name"),
    ],
)
def test_a_url_that_is_none_of_a_proxy_is_refused_and_says_why(url: str, words: str) -> None:
    assert words in str(url_problem(url))


def test_the_secret_in_a_url_is_not_repeated() -> None:
    assert "hunter2" not in str(url_problem("https://user:hunter2@proxy.example"))


@pytest.mark.parametrize("path", ["/kms/xks/v1", "/a/b-c_d/kms/xks/v1", f"/{'a' * 116}/kms/xks/v1"])
def test_a_path_ends_with_that_of_the_api(path: str) -> None:
    assert path_problem(path) is None


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "kms/xks/v1",
        "/kms/xks/v2",
        "/a b/kms/xks/v1",
        "/../kms/xks/v1",
        "/kms/xks/v1\n",
        f"/{'a' * 117}/kms/xks/v1",
    ],
)
def test_other_paths_are_refused(path: str) -> None:
    assert path_problem(path) is not None


def test_a_fingerprint_is_a_sha_256_digest_with_or_without_colons() -> None:
    assert fingerprint_problem(FINGERPRINT) is None
    assert fingerprint_problem("ab" * 32) is None
    assert fingerprint_problem("ab" * 20) is not None
    assert fingerprint_problem("ab" * 32 + "\n") is not None


def test_what_means_the_same_has_one_form() -> None:
    assert canonical_url("HTTPS://Proxy.Example:8443/") == "https://proxy.example:8443"
    assert canonical_fingerprint(FINGERPRINT) == "ab" * 32


@pytest.mark.parametrize("name", ["a", "key-1.2_3", "...", "A" * 128])
def test_a_key_managers_name_of_a_key_fits_into_a_url(name: str) -> None:
    assert is_external_key(name)
    assert re.search(EXTERNAL_KEY_PATTERN, name)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a b", "ä", "a\n", "A" * 129])
def test_names_that_a_url_would_change_are_refused(name: str) -> None:
    assert not is_external_key(name)


def test_this_machine_alone_is_loopback() -> None:
    assert [is_loopback(host) for host in ("127.0.0.1", "127.9.9.9", "::1", "localhost")] == [True] * 4
    assert [is_loopback(host) for host in ("0.0.0.0", "localhost.example", "10.0.0.1")] == [False] * 3  # noqa: S104
