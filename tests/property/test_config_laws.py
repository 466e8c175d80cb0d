"""Laws of reading a configuration: whatever is written, the answer is a configuration or its problems."""

from __future__ import annotations

import copy
import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema_rs
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from kmsplan.config.diagnostic import ConfigurationError
from kmsplan.config.document import parse
from kmsplan.config.load import load
from kmsplan.config.place import Source
from kmsplan.config.problems import Problems
from kmsplan.config.schema import configuration_schema, expanded_schema
from kmsplan.config.shape import _slow_validator

if TYPE_CHECKING:
    from kmsplan.config.configuration import Configuration
    from kmsplan.config.diagnostic import Diagnostic

QUICK = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
EXPANDED = jsonschema_rs.validator_for(expanded_schema())
WRITTEN = jsonschema_rs.validator_for(configuration_schema())


def read(files: dict[str, bytes], **given: Any) -> Configuration:
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            (Path(folder) / name).write_bytes(content)
        return load(Path(folder), **{"variables": {}, "variable_files": [], "environ": {}, **given})


def problems_of(text: bytes) -> tuple[Diagnostic, ...] | None:
    """Return the problems of a configuration, None where it is valid; anything else raised is a failure."""
    try:
        read({"kmsplan.yaml": text})
    except ConfigurationError as error:
        return error.diagnostics
    return None


def refused_or_read(text: bytes) -> None:
    found = problems_of(text)
    assert found != ()
    for each in found or ():
        assert each.detail.isprintable()
        assert each.span is None or (each.span.line >= 1 and each.span.column >= 1)


class Writer(yaml.SafeDumper):
    """Writes one value twice where it stands twice."""

    def ignore_aliases(self, data: Any) -> bool:
        del data
        return True


def written(document: Any, **options: Any) -> str:
    return str(yaml.dump(document, Dumper=Writer, **options))


@given(st.text() | st.text(alphabet=" \n\t-:{}[]\"'&*!|>#%@`$,?abk0<\r"))
@example("a: &a [*a]\n<<: *a\n? {x}\n: y")
@example("keys: {~: ~, [a]: {b: c}}")
@settings(QUICK, max_examples=100)
def test_any_text_is_read_or_refused(text: str) -> None:
    refused_or_read(text.encode("utf-8", "surrogatepass"))


@given(st.binary())
@settings(QUICK, max_examples=100)
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    refused_or_read(content)


WORDS = st.sampled_from(
    [
        *(
            "orders",
            "core",
            "a/b",
            "acs/x",
            "alias/x",
            "kmsplan:owner",
            "90d",
            "7d",
            "999d",
            "1h",
            "",
            "yes",
            "key.orders",
        ),
        *("software", "hardware", "external", "RSA_2048", "Aliyun_AES_256", "SIGN/VERIFY", "EXTERNAL", "HsmInternal"),
        *(
            "${var.x}",
            "${var.y}",
            "${each.key}",
            "${each.value.z}",
            "${",
            "$${x}",
            "2027-12-31",
            "https://x",
            "90d\n",
            "x\u0661",
        ),
    ]
)
SCALARS = st.none() | st.booleans() | st.integers(-5, 100_001) | st.floats(-2, 2000, width=16) | WORDS
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            WORDS | st.sampled_from(["env", "file", "expires", "module", "token", "pin", "url"]), inner, max_size=3
        )
    ),
    max_leaves=6,
)


def objects(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Return mappings with the schema's attributes, some with other ones, and now and then something else."""
    names = st.sampled_from(sorted(schema["properties"])) | WORDS
    return st.dictionaries(names, VALUES, max_size=5) | SCALARS


def documents() -> st.SearchStrategy[dict[str, Any]]:
    properties = expanded_schema()["properties"]
    sections: dict[str, Any] = {}
    for name, schema in properties.items():
        if "properties" in schema:
            sections[name] = objects(schema)
        elif "items" in schema:
            sections[name] = st.lists(objects(schema["items"]), max_size=3)
        else:
            inner = schema["additionalProperties"]
            entry = objects(inner) if "properties" in inner else VALUES
            sections[name] = st.dictionaries(WORDS, entry, max_size=3)
    return st.fixed_dictionaries({}, optional=sections)


@given(documents())
@settings(QUICK, max_examples=100)
def test_the_fast_and_the_wordy_validator_agree(document: dict[str, Any]) -> None:
    assert EXPANDED.is_valid(document) == _slow_validator().is_valid(document)


@given(documents())
@settings(QUICK, max_examples=100)
def test_whatever_the_sections_hold_is_read_or_refused(document: dict[str, Any]) -> None:
    refused_or_read(json.dumps({"kmsplan": 1, **document}).encode())


@given(documents())
@settings(QUICK, max_examples=100)
def test_an_editor_accepts_all_that_is_accepted(document: dict[str, Any]) -> None:
    if EXPANDED.is_valid(document):
        assert WRITTEN.is_valid(document)


# Where YAML 1.1, which PyYAML reads, and the JSON-like core agree: no yes/no, dates, octal, sexagesimal, merge keys.
PLAIN_TEXT = st.text(alphabet="abcdefghij -_./äöü", min_size=1).filter(
    lambda text: text.strip() not in ("", "-", "_", ".", "/") and not set(text) <= set("-_. e")
)
COMMON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**15), 10**15)
    | st.integers(-(10**6), 10**6).map(lambda number: number / 4)
    | PLAIN_TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(PLAIN_TEXT, inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(PLAIN_TEXT, COMMON, max_size=5), st.booleans())
@settings(QUICK, max_examples=100)
def test_the_parser_agrees_with_pyyaml_where_both_mean_the_same(document: dict[str, Any], flow: bool) -> None:  # noqa: FBT001 - hypothesis passes by name
    text = written(document, allow_unicode=True, default_flow_style=flow, sort_keys=False)
    problems = Problems()
    parsed = parse(Source("a.yaml", text), problems)
    assert problems.diagnostics() == ()
    assert parsed is not None
    assert parsed.value == yaml.safe_load(text)
    assert list(parsed.value) == list(document)


KEY_ATTRIBUTES: dict[str, st.SearchStrategy[Any]] = {
    "rotation": st.integers(7, 365).map(lambda days: f"{days}d"),
    "description": st.text(alphabet="abc $'\"#:", max_size=10),
    "tags": st.dictionaries(st.sampled_from("abcdef"), st.sampled_from(["x", "y"]), max_size=4),
    "enabled": st.booleans(),
    "deletion_window": st.integers(7, 366).map(lambda days: f"{days * 24}h"),
    "aliases": st.just([]),
}
KEYS = st.dictionaries(
    st.sampled_from([f"key-{number}" for number in range(8)]),
    st.fixed_dictionaries({"instance": st.sampled_from(["core", "other"])}, optional=KEY_ATTRIBUTES),
    max_size=6,
)


@given(KEYS, st.randoms(use_true_random=False))
@settings(QUICK, max_examples=30)
def test_the_digest_is_independent_of_order_and_files(keys: dict[str, Any], random: Any) -> None:
    sections = {"instances": {"core": {"type": "software"}, "other": {"type": "software"}}, "keys": keys}
    whole = read({"kmsplan.yaml": written({"kmsplan": 1, **sections}).encode()})
    names = [(section, name) for section, entries in sections.items() for name in entries]
    random.shuffle(names)
    files: dict[str, dict[str, Any]] = {"a.yaml": {"kmsplan": 1}, "b.yml": {}, "c.yaml": {}}
    for section, name in names:
        entry = copy.deepcopy(sections[section][name])
        attributes = list(entry.items())
        random.shuffle(attributes)
        files[random.choice(sorted(files))].setdefault(section, {})[name] = dict(attributes)
    split = read({name: written(content, sort_keys=False).encode() for name, content in files.items()})
    assert split.digest == whole.digest
    assert list(split.desired) == list(whole.desired)
    assert [split.desired[name].attributes for name in split.desired] == [
        whole.desired[name].attributes for name in whole.desired
    ]


@given(
    st.text(min_size=4, alphabet="XYZ0123456789!,}{'\"# "),
    st.sampled_from(["pin", "access_key", "passphrase"]),
    st.booleans(),
)
@example(secret=",',!", name="pin", quoted=False)
@example(secret=",',&", name="pin", quoted=False)
@settings(QUICK, max_examples=100)
def test_a_literal_secret_is_never_repeated(secret: str, name: str, quoted: bool) -> None:  # noqa: FBT001 - as above
    secret = f"XZX{secret.strip()}XYX"
    value = json.dumps(secret) if quoted else secret
    text = f"""kmsplan: 1
instances:
  a: {{type: hardware, hsm: {{module: m, token: t, {name}: {value}}}, other: 1}}
  b:
    hsm:
      {name}: {value}
      {name}: {value}
"""
    found = problems_of(text.encode())
    assert found
    told = "\n".join(f"{each.detail}\n{each.excerpt}" for each in found)
    assert "XZX" not in told
    assert "XYX" not in told
