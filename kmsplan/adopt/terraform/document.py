"""A Terraform state as its resources: the state file (version 4), or what `terraform show -json` prints of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import jsonschema_rs
import orjson

from kmsplan.adopt.terraform.schema import SHOWN, STATE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_VERSION: Final = 4
_PULL: Final = "Print the current state with: terraform state pull (tofu state pull)."
_STEP: Final = re.compile(r'module\.([^\s."\[\]]+)(?:\[(?:"((?:[^"\\]|\\.)*)"|(\d+))\])?')


class TerraformStateError(Exception):
    """This is no Terraform state that can be read; no value of it is in the message."""

    def __init__(self, summary: str, remedy: str = _PULL) -> None:
        self.remedy = remedy
        super().__init__(summary)


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """One managed resource: with `for_each` or `count`, one of its instances."""

    address: str
    """As Terraform writes it: `module.a.alicloud_kms_key.b["x"]`."""
    type: str
    names: tuple[str, ...]
    """What it is called, from the outermost module to the index: `a`, `b`, `x`."""
    values: Mapping[str, Any] | None
    """Its attributes; None where they are kept in the form of Terraform 0.11."""
    deposed: bool
    """Whether this is the rest of a replacement, which Terraform means to destroy."""
    tainted: bool
    """Whether Terraform means to replace it."""


def read(content: bytes) -> tuple[Resource, ...]:
    """Return the managed resources of a state; data sources are none.

    Raises:
        TerraformStateError: it is not a state, or one of a form that cannot be read.
    """
    document = _json(content)
    if "encrypted_data" in document:
        raise TerraformStateError("the state is encrypted", "OpenTofu prints it decrypted with: tofu state pull.")
    if "resource_changes" in document or "planned_values" in document:
        raise TerraformStateError("this is a plan, not a state", "Print the state with: terraform show -json.")
    if "format_version" in document:
        return tuple(_shown(_checked(document, document["format_version"], ("0", "1"), SHOWN)))
    if "version" in document:
        return tuple(_stated(_checked(document, document["version"], (str(_VERSION),), STATE)))
    raise TerraformStateError("this is no Terraform state: it has neither version nor format_version")


def _json(content: bytes) -> dict[str, Any]:
    text = content.removeprefix(b"\xef\xbb\xbf").strip()
    if not text:
        raise TerraformStateError("the state is empty")
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise TerraformStateError(f"the state is not JSON: line {error.lineno}, column {error.colno}") from error
    if not isinstance(document, dict):
        raise TerraformStateError("this is no Terraform state: it is no JSON object")
    return document


def _checked(document: dict[str, Any], told: Any, known: Sequence[str], schema: str) -> dict[str, Any]:
    """Return the document once its version is known and its form is right."""
    version = str(told)[:20] if isinstance(told, str | int) else "unknown"
    if version.partition(".")[0] not in known:
        newer = version.isdecimal() and int(version) > _VERSION
        remedy = f"kmsplan knows state files of version {_VERSION}, and format_version 1 of terraform show -json."
        old = "Terraform 0.12 or newer writes it anew with: terraform apply -refresh-only."
        raise TerraformStateError(
            f"the state has version {version!r}", remedy if newer or schema == SHOWN else f"{remedy} {old}"
        )
    fault = next(iter(_validator(schema).iter_errors(document)), None)
    if fault is not None:
        place = ".".join(str(step) for step in fault.instance_path) or "the document"
        raise TerraformStateError(f"the state is damaged: {place} has not the form that Terraform writes")
    return document


@cache
def _validator(schema: str) -> Any:
    return jsonschema_rs.validator_for(schema)


def _stated(document: Mapping[str, Any]) -> Iterator[Resource]:
    for resource in document.get("resources") or ():
        if resource["mode"] == "managed":
            module = resource.get("module") or ""
            for one in resource["instances"]:
                yield Resource(
                    address=_address(module, resource["type"], resource["name"], one.get("index_key")),
                    type=resource["type"],
                    names=(*_steps(module), *_named(resource["name"], one.get("index_key"))),
                    values=one.get("attributes") if one.get("attributes_flat") is None else None,
                    deposed=bool(one.get("deposed")),
                    tainted=one.get("status") == "tainted",
                )


def _shown(document: Mapping[str, Any]) -> Iterator[Resource]:
    root = (document.get("values") or {}).get("root_module")
    waiting = [root] if root else []
    while waiting:
        module = waiting.pop()
        waiting += reversed(module.get("child_modules") or ())
        path = module.get("address") or ""
        for one in module.get("resources") or ():
            if one["mode"] == "managed":
                yield Resource(
                    address=_address(path, one["type"], one["name"], one.get("index")),
                    type=one["type"],
                    names=(*_steps(path), *_named(one["name"], one.get("index"))),
                    values=one.get("values") or {},
                    deposed=bool(one.get("deposed_key")),
                    tainted=bool(one.get("tainted")),
                )


def _address(module: str, type_: str, name: str, index: str | int | None) -> str:
    place = f"{module}.{type_}.{name}" if module else f"{type_}.{name}"
    if index is None:
        return place
    literal = orjson.dumps(index).decode().replace("${", "$${").replace("%{", "%%{")
    return f"{place}[{literal}]"


def _steps(module: str) -> Iterator[str]:
    """Yield the names of modules and their indices."""
    for name, key, number in _STEP.findall(module):
        yield from (part for part in (name, key, number) if part)


def _named(name: str, index: str | int | None) -> tuple[str, ...]:
    return (name,) if index is None else (name, str(index))
