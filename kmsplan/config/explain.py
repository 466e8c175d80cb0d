"""What a JSON Schema error means, in words: which code, what is wrong, what to write instead."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from kmsplan.config.cloud import ENDPOINT, REGION
from kmsplan.config.place import SECRET_NAMES
from kmsplan.config.problems import listed, near, repeated
from kmsplan.config.schema import ADDRESS_PATTERN, NAME_PATTERN, REMOVED_PATTERN
from kmsplan.config.template import VARIABLE_NAME
from kmsplan.config.waivers import DAY_PATTERN
from kmsplan.kms.external import (
    ACCESS_KEY_ID_PATTERN,
    EXTERNAL_KEY_PATTERN,
    FINGERPRINT_PATTERN,
    PROXY_PATH_PATTERN,
    PROXY_URL_PATTERN,
    fingerprint_problem,
    path_problem,
    url_problem,
)
from kmsplan.kms.hsmobject import HSM_OBJECT_PATTERN, ID_BYTES
from kmsplan.kms.naming import ALIAS_PREFIX, DESCRIPTION_LENGTH, OWNER_TAG, TAG_LIMIT, alias_problem, tag_problem
from kmsplan.kms.wording import quoted, shown
from kmsplan.resource.kinds import KINDS
from kmsplan.resource.schema import ALIAS_NAME_SCHEMA, DURATION
from kmsplan.resource.tag import TAGS_SCHEMA


class Fault(NamedTuple):
    """One thing that the schema refuses."""

    code: str
    detail: str
    path: tuple[Any, ...]
    """In the document; the last step may be a name that should not be there."""
    key: bool = False
    """Whether the key at `path` is meant rather than its value."""
    missing: str | None = None
    """The attribute that is not there."""


Told = tuple[str, str]
_NORWAY: Final = frozenset({"yes", "no", "on", "off", "y", "n", "true", "false", "0", "1"})
_OFFERED: Final[Mapping[str, str]] = {
    "state": "State is kept in `local: {path: ...}`, `postgres: {...}`, `http: {...}` or `s3: {...}`.",
    "engine": "An engine is `embedded: {path: ...}` or `alibaba: {region: ...}`.",
}
_TYPES: Final[Mapping[str, str]] = {
    "string": "text",
    "integer": "a whole number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping",
    "null": "null",
}


def explain(error: Any) -> Iterator[Fault]:
    """Yield what one error of jsonschema says; an error about several names yields one fault for each."""
    path = tuple(error.absolute_path)
    if "propertyNames" in error.absolute_schema_path:
        yield Fault(*_pattern(error, "name"), (*path, error.instance), key=True)
    elif error.validator == "additionalProperties":
        for name in sorted(error.instance.keys() - error.schema["properties"].keys()):
            yield Fault(*_unknown(error, name, path), (*path, name), key=True)
    elif error.validator == "required":
        yield from _missing(error, path)
    else:
        name = next((step for step in reversed(path) if isinstance(step, str)), "")
        secret = _about_secret(error, path)
        told = _access_key if path[2:] == _ACCESS_KEY else _secret if secret else _KEYWORDS[error.validator]
        yield Fault(*told(error, "material" if secret and "material" in path else name), path)


_ACCESS_KEY: Final = ("proxy", "access_key")
"""Where somebody may write a secret in place of a mapping with one."""
_NO_SECRETS: Final = (("expires",), ("format",))
"""What is told of material beside where it is found."""


def _about_secret(error: Any, path: tuple[Any, ...]) -> bool:
    """Return whether the refused value may be a secret, and so must not be repeated."""
    inside = path[1:] if path[0] == "default_key" else path[2:]
    return error.validator == "oneOf" or (inside[:1] == ("material",) and inside[1:] not in _NO_SECRETS)


_LITERAL: Final = (
    "`{name}` takes no secret, only where one is found: {{env: NAME}}, {{file: PATH}} or {{exec: [COMMAND, ...]}}. A "
    "secret that has been in a file of the configuration is known to whoever can read it: change it."
)
_REFERENCE_FORM: Final = (
    "`{name}` is {{env: NAME}}, {{file: PATH}} or {{exec: [COMMAND, ...]}}: exactly one of the three, and nothing else."
)


def _unknown(error: Any, name: str, path: tuple[Any, ...]) -> Told:
    if path in {("state",), ("engine",)}:
        return "K208", f"`{path[0]}` cannot be {name!r}. {_OFFERED[path[0]]}"
    known = error.schema["properties"]
    literal = any(isinstance(error.instance.get(secret), str | int | float) for secret in SECRET_NAMES)
    if literal or path[2:] == _ACCESS_KEY:
        # Half of `pin: ab,cd` in braces is an attribute by the name of `cd`.
        return "K201", f"Something beside a secret written literally is not known here. Known: {listed(known)}."
    return "K201", f"{name!r} is not known here.{near(name, known)} Known: {listed(known)}."


def _missing(error: Any, path: tuple[Any, ...]) -> Iterator[Fault]:
    for name in error.validator_value:
        if name not in error.instance:
            needed = listed(f"`{each}`" for each in error.validator_value)
            yield Fault("K205", f"`{name}` is missing. Needed here: {needed}.", path, missing=name)


def _type(error: Any, name: str) -> Told:
    kinds = [error.validator_value] if isinstance(error.validator_value, str) else error.validator_value
    value = error.instance
    if "boolean" in kinds and str(value).lower() in _NORWAY:
        return "K206", f"`{name}` is {shown(value)}. Write true or false, without quotes."
    wanted = " or ".join(_TYPES[kind] for kind in kinds)
    hint = _type_hint(error, kinds)
    return "K202", f"`{name}` is {shown(value)}, but takes {wanted}.{hint}"


def _type_hint(error: Any, kinds: list[str]) -> str:
    value = error.instance
    if error.schema.get("pattern") == DURATION and isinstance(value, int):
        return f" A duration has a unit: {value}d, {value}h, {value}m or {value}s."
    if "string" in kinds and isinstance(value, int | float):
        return " Put it into quotes."
    return ""


def _choice(error: Any, name: str) -> Told:
    allowed = error.validator_value
    hint = near(error.instance, [word for word in allowed if isinstance(word, str)]) if _is_text(error) else ""
    if _is_text(error) and error.instance in map(str, allowed):
        hint = " Write it without quotes."
    return "K203", f"`{name}` cannot be {shown(error.instance)}.{hint} Allowed: {listed(allowed)}."


def _is_text(error: Any) -> bool:
    return isinstance(error.instance, str)


def _constant(error: Any, name: str) -> Told:
    wanted = str(error.validator_value).lower()
    return "K203", f"`{name}` can only be {wanted}, not {shown(error.instance)}."


def _pattern(error: Any, name: str) -> Told:
    told = _PATTERNS.get(error.validator_value)
    return told(error.instance) if told else ("K204", f"`{name}` cannot be {shown(error.instance)}.")


def _name(text: str) -> Told:
    form = "letters, digits, '_' and '-', starts with a letter or digit, and has at most 64 characters"
    return "K209", f"{quoted(text)} is no name. A name is made of {form}."


def _variable_name(text: str) -> Told:
    form = "letters, digits, '_' and '-', starts with a letter or '_', and has at most 64 characters"
    return "K209", f"{quoted(text)} is no name of a variable. It is made of {form}."


def _alias(text: str) -> Told:
    problem = alias_problem(ALIAS_PREFIX + text) or "an alias is made of letters, digits, '_', '-' and '/'"
    return "K408", f"{quoted(text)} cannot be an alias: {problem}."


def _duration(text: str) -> Told:
    return "K204", f"{quoted(text)} is no duration. A duration is a whole number and a unit: 90d, 12h, 30m or 45s."


def _tag_key(text: str) -> Told:
    if text.startswith(OWNER_TAG.partition(":")[0] + ":"):
        return (
            "K411",
            f"The tag {quoted(text)} is kmsplan's own: tags that begin with `kmsplan:` say who owns an object.",
        )
    return "K409", _sentence(tag_problem(text, "") or "a tag key has another form")


def _tag_value(text: str) -> Told:
    return "K409", _sentence(tag_problem("key", text) or "a tag value has another form")


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _address(text: str) -> Told:
    kinds = listed(KINDS)
    return "K503", f"{quoted(text)} is no address. An address is KIND.NAME, such as key.orders; kinds: {kinds}."


def _url(text: str) -> Told:
    return (
        "K204",
        f"{quoted(text)} is no URL of a proxy: {url_problem(text) or 'it holds a character that no URL does'}.",
    )


def _proxy_path(text: str) -> Told:
    return "K204", f"{quoted(text)} is no path of a proxy: {path_problem(text)}."


def _fingerprint(text: str) -> Told:
    return "K204", f"{quoted(text)} is no fingerprint of a certificate: {fingerprint_problem(text)}."


def _access_key_id(text: str) -> Told:
    del text  # it may be the secret
    return "K204", "`id` is no id of an access key: it has 16 to 128 letters and digits. (It is not shown here.)"


def _external_key(text: str) -> Told:
    form = "letters, digits, '.', '_' and '-', at most 128"
    return "K204", f"{quoted(text)} cannot be what a key manager calls a key: such a name is made of {form}."


def _hsm_object(text: str) -> Told:
    form = f"two hexadecimal digits for each of its bytes, at most {ID_BYTES}, as pkcs11-tool --list-objects shows them"
    return "K204", f"{quoted(text)} is no CKA_ID: such an id is written as {form}."


def _endpoint(text: str) -> Told:
    return "K204", f"{quoted(text)} is no endpoint. Write HOST or HOST:PORT, without https://."


def _region(text: str) -> Told:
    return "K204", f"{quoted(text)} is no region. Write it as the cloud does: cn-hangzhou, eu-central-1."


def _date(text: str) -> Told:
    return "K204", f"{quoted(text)} is no date. Write 2027-12-31 or 2027-12-31T12:00:00Z."


def _day(text: str) -> Told:
    return "K204", f"{quoted(text)} is no day. Write 2027-12-31."


def _patterns() -> dict[str, Callable[[str], Told]]:
    """Return who explains which pattern; the patterns are the attribute tables' own."""
    key = KINDS["key"].by_name
    tags: Any = TAGS_SCHEMA
    return {
        NAME_PATTERN: _name,
        f"^{VARIABLE_NAME}$": _variable_name,
        str(ALIAS_NAME_SCHEMA["pattern"]): _alias,
        DURATION: _duration,
        ENDPOINT: _endpoint,
        REGION: _region,
        tags["propertyNames"]["pattern"]: _tag_key,
        tags["additionalProperties"]["pattern"]: _tag_value,
        ADDRESS_PATTERN: _address,
        REMOVED_PATTERN: _address,
        PROXY_URL_PATTERN: _url,
        PROXY_PATH_PATTERN: _proxy_path,
        FINGERPRINT_PATTERN: _fingerprint,
        ACCESS_KEY_ID_PATTERN: _access_key_id,
        EXTERNAL_KEY_PATTERN: _external_key,
        HSM_OBJECT_PATTERN: _hsm_object,
        key["material"].schema["properties"]["expires"]["pattern"]: _date,
        DAY_PATTERN: _day,
    }


_PATTERNS: Final = MappingProxyType(_patterns())


def _length(error: Any, name: str) -> Told:
    if error.validator == "minLength":
        return "K204", f"`{name}` is empty."
    code = "K418" if error.validator_value == DESCRIPTION_LENGTH else "K204"
    return code, f"`{name}` has {len(error.instance)} characters; at most {error.validator_value} are allowed."


def _range(error: Any, name: str) -> Told:
    low, high = error.schema.get("minimum"), error.schema.get("maximum")
    return "K204", f"`{name}` is {error.instance}; it can be {low} to {high}."


def _too_many(error: Any, name: str) -> Told:
    if name == "tags":
        limit = error.validator_value
        detail = f"{len(error.instance)} tags are written; {limit} are allowed, because an object has {TAG_LIMIT}"
        return "K410", f"{detail} and one is kmsplan's owner tag."
    return "K204", f"`{name}` names {listed(error.instance)}; it takes exactly one."


def _too_few(error: Any, name: str) -> Told:
    known = error.schema.get("properties")
    return "K204", f"`{name}` is empty.{f' It takes one of {listed(known)}.' if known else ''}"


def _repeated(error: Any, name: str) -> Told:
    return "K210", f"`{name}` lists {shown(repeated(error.instance))} more than once."


def _secret(error: Any, name: str) -> Told:
    if isinstance(error.instance, str | int | float):
        return "K601", _LITERAL.format(name=name)
    return "K602", _REFERENCE_FORM.format(name=name)


def _access_key(error: Any, name: str) -> Told:
    del name
    literal = isinstance(error.instance, str | int | float)
    form = "`access_key` is a mapping: {id: ID, secret: {env: NAME}}, or {file: PATH} or {exec: [...]} for the secret."
    return (
        ("K601", f"{form} A secret does not belong into the configuration: change it.") if literal else ("K602", form)
    )


_KEYWORDS: Final[Mapping[str, Callable[[Any, str], Told]]] = MappingProxyType(
    {
        "type": _type,
        "enum": _choice,
        "const": _constant,
        "pattern": _pattern,
        "minLength": _length,
        "maxLength": _length,
        "minimum": _range,
        "maximum": _range,
        "minProperties": _too_few,
        "maxProperties": _too_many,
        "minItems": _too_few,
        "uniqueItems": _repeated,
        "oneOf": _secret,
    }
)
