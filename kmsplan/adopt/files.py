"""The files of a configuration: PyYAML's emitter writes every value, and comments stand above the sections.

They are in the form that `kmsplan fmt` gives them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import yaml

from kmsplan.config.canonical import canonical
from kmsplan.report.escape import escape
from kmsplan.resource.address import kind_of, name_of
from kmsplan.resource.kinds import KINDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from kmsplan.adopt.inventory import Adoptable, Inventory

DEFAULTS: Final = {"key": {"deletion_window": "30d"}}
"""A key's window is kmsplan's own rule, which no KMS tells."""
FROM_KMS: Final = "Written by kmsplan import --all: what the KMS held then."
FROM_TERRAFORM: Final = "Written by kmsplan import --terraform: what Terraform's state held then."
_NEXT: Final = (
    "The next steps: read it, fill in what is missing, then kmsplan plan and kmsplan apply. Afterwards import.yaml",
    "has done its work and may be deleted.",
)
_IMPORTS: Final = ("Which object is which. An alias needs no block: its identity is its name.",)
_FILES: Final[Mapping[str, tuple[str, ...]]] = {
    "instances.yaml": ("instance",),
    "keys.yaml": ("default_key", "service_key", "key"),
}
_TURNING: Final = re.compile("[\u202a-\u202e\u2066-\u2069]")
"""Bidirectional controls make a line read otherwise than it is, so that no configuration may hold one as it stands."""

_NUMERIC: Final = re.compile(r"[-+]?[0-9][0-9_]*\.?[0-9]*([eE][-+]?[0-9]+)?|0o[0-7]+")
"""Texts that YAML 1.2 takes for numbers, and this emitter, which is of YAML 1.1, not always."""


def files(inventory: Inventory, engine: Mapping[str, Any], source: str = FROM_KMS) -> dict[str, str]:
    """Return the text of each file, by name.

    Args:
        inventory: what to declare, and what to say of the rest.
        engine: the configuration's section of this name.
        source: a sentence on what it was made of.
    """
    told = (*_listed("To be filled in:", inventory.todo), *_listed("Not taken over:", inventory.notes))
    head = [source, *_NEXT, *told]
    texts = {
        "kmsplan.yaml": "".join((_comment(head), _section({"kmsplan": 1, "engine": engine, "defaults": DEFAULTS})))
    }
    for name, kinds in _FILES.items():
        sections = [_objects(kind, inventory.objects) for kind in kinds]
        if any(sections):
            texts[name] = "\n".join(_section(section) for section in sections if section)
    left_out = [f"{one.identity}: {one.reason}" for one in inventory.left_out]
    comments = [
        *_IMPORTS,
        *_listed("Worth knowing:", inventory.remarks),
        *_listed(f"Left out, {len(left_out)}:", left_out),
    ]
    blocks = [_block(one) for one in inventory.objects if not one.made]
    texts["import.yaml"] = _comment(comments) + _section({"import": blocks} if blocks else {})
    return {name: canonical(text) for name, text in texts.items()}


def snippet(one: Adoptable) -> str:
    """Return the declaration of one object, as it stands in a file."""
    return canonical(_section(_objects(kind_of(one.address), (one,))))


def _objects(kind: str, objects: Iterable[Adoptable]) -> dict[str, Any]:
    found = {name_of(one.address): one.written for one in objects if kind_of(one.address) == kind}
    section = KINDS[kind].section
    if kind == "default_key":
        return {section: next(iter(found.values()))} if found else {}
    return {section: found} if found else {}


def _block(one: Adoptable) -> dict[str, str]:
    block = {"address": str(one.address), "identity": one.identity}
    return {**block, "owner": one.owner} if one.owner else block


def _listed(title: str, lines: Iterable[str]) -> Iterator[str]:
    for number, line in enumerate(lines):
        if not number:
            yield title
        yield f"- {line}"


def _comment(lines: Iterable[str]) -> str:
    """Return comment lines; text of others in them stays on its line."""
    return "".join(f"# {escape(line).encode('ascii', 'backslashreplace').decode()}\n" for line in lines)


def _section(value: Mapping[str, Any]) -> str:
    """Return sections as YAML, in the characters that people use; escaped where some would turn the text around."""
    if not value:
        return ""
    text = _dump(value, readable=True)
    return _dump(value, readable=False) if _TURNING.search(text) else text


def inline(value: Any) -> str:
    """Return a value as YAML on one line, as it may stand within brackets, too."""
    written = _flow(value, readable=True)
    return _flow(value, readable=False) if _TURNING.search(written) else written


def _flow(value: Any, *, readable: bool) -> str:
    # In a list the emitter quotes what brackets and commas would end.
    text: str = yaml.dump(
        [value], Dumper=_Dumper, sort_keys=False, default_flow_style=True, allow_unicode=readable, width=1_000_000
    )
    return text.strip()[1:-1]


def _dump(value: Mapping[str, Any], *, readable: bool) -> str:
    text: str = yaml.dump(
        dict(value),
        Dumper=_Dumper,
        sort_keys=False,
        default_flow_style=None,
        allow_unicode=readable,
        width=1_000_000,
    )
    return text


class _Dumper(yaml.CSafeDumper):
    """libyaml's emitter; without anchors, which no configuration has, and with line breaks escaped in quotes."""

    def ignore_aliases(self, data: Any) -> bool:
        del data
        return True


def _text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    style = '"' if "\n" in text or "\r" in text or "\t" in text else "'" if _NUMERIC.fullmatch(text) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)
