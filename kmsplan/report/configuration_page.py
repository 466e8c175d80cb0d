"""docs/configuration.md: every section of a configuration, and every attribute of every kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from kmsplan.config.schema import NOT_DEFAULTS, configuration_schema, expanded_schema
from kmsplan.config.section import SECTIONS
from kmsplan.kms.capability import DELETION_WINDOW_DAYS, ROTATION_DAYS
from kmsplan.report.markdown import GENERATED, table
from kmsplan.resource.attribute import Attribute, Mutability
from kmsplan.resource.kinds import KINDS
from kmsplan.resource.schema import DURATION

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kmsplan.resource.attribute import Kind

_FORMS: Final = f"""
A configuration is a folder; its `*.yaml` and `*.yml` files are read together, and each object stands in one of them.
Relative paths are relative to the folder. `true`, `false`, `null` and plain numbers are typed, everything else is text.
A duration is `90d`, `12h`, `30m` or `60s`. Rotation takes {ROTATION_DAYS[0]} to {ROTATION_DAYS[1]} days, a deletion \
window {DELETION_WINDOW_DAYS[0]} to {DELETION_WINDOW_DAYS[1]}.
"""
EXAMPLE: Final = """\
# yaml-language-server: $schema=PATH-TO/schemas/configuration.json
kmsplan: 1
engine: {embedded: {path: state/engine, seal: {passphrase: {env: ENGINE_PASSPHRASE}}}}
state: {local: {path: state}}
approval: {signatures: 2, trusted: ops.trusted.yaml, not_author: true, expires: 24h}
policy: {packs: [baseline, {pack: pci-dss, rotation_days: 180}], severity: {R106: warning}}
variables:
  env: {default: dev, allowed: [dev, prod], description: Which environment this is.}
defaults:
  key: {deletion_window: 30d, tags: {env: "${var.env}"}}
instances:
  core: {type: software, spec: 1000, key_quota: 1000}
  vault: {type: hardware, hsm: {module: /usr/lib/softhsm/libsofthsm2.so, token: kmsplan, pin: {env: HSM_PIN}}}
  theirs:
    type: external
    proxy: {url: "https://xks.example.com", access_key: {id: AKIDEXAMPLE234567, secret: {env: PROXY_SECRET}}}
keys:
  orders: {instance: core, rotation: 90d, aliases: [orders], used_by: [billing], tags: {data: pii}}
  release-signing: {instance: vault, spec: EC_P256}
  "tenant-${each.key}": {for_each: [acme, globex], instance: core}
  brought: {instance: core, origin: EXTERNAL, material: {file: material.bin, expires: 2030-12-31}}
  held-elsewhere: {instance: theirs, external_key: payments}
aliases: {orders-legacy: orders}
default_key: {aliases: [default]}
service_keys: {oss: {tags: {owner: storage}}}
moved: [{from: key.customer-orders, to: key.orders}]
removed: [{address: key.experiment, forget: true}, {address: key.old, destroy: staged, unused_for: 90d}]
import: [{address: key.release-signing, identity: key-aaaaaaaaaaaaaaaaaaaaa}]
waivers: [{address: key.brought, rule: R113, owner: ada, reason: replaced in spring, expires: 2030-06-30}]
"""
"""A configuration that has every section."""
_REFERENCES: Final = """
## References

`${var.NAME}` stands for a variable, and inside of a key with `for_each` so do `${each.key}`, `${each.value}` and
`${each.value.FIELD}`; `$${` is a literal `${`. A text that is one reference and nothing else keeps the value's type.

A variable has the value of `--var NAME=VALUE`, else of the last `--var-file` that names it, else of the environment
variable `KMSPLAN_VAR_NAME`, else its default. `--var-file dev.vars.yaml` is a file `NAME: VALUE`; a name like
`*.vars.yaml` keeps it out of the configuration itself.

## Secrets

A PIN, passphrase, access key, connection string or key material is never written here, only where it is found:
`{env: NAME}`, `{file: PATH}`, or `{exec: [COMMAND, ARGUMENT, ...]}`, whose output it is. It is read when it is needed,
and is in no plan, state, log or message. A file of your own that others can read is named in a warning (K609) by
`validate`, `plan`, `apply`, `destroy`, `engine init` and `engine serve`, and is read all the same.
"""


_WORDS: Final[Mapping[Any, str]] = {None: "none", True: "true", False: "false", "": '""'}


def configuration_page() -> str:
    """Return docs/configuration.md."""
    told = configuration_schema()["properties"]
    kinds = {kind.section: kind for kind in KINDS.values()}
    plain = expanded_schema()["properties"]
    parts = ["# Configuration reference\n\n", GENERATED, _FORMS, f"\n```yaml\n{EXAMPLE}```\n", _REFERENCES]
    for name in SECTIONS:
        parts.append(f"\n## `{name}`\n\n{told[name]['description']}\n")
        parts.append(_attributes(kinds[name]) if name in kinds else _settings(name, plain.get(name, {})))
    return "".join(parts)


def _attributes(kind: Kind) -> str:
    head = ("attribute", "default", "a change", "meaning")
    return "\n" + table(head, (_attribute(attribute) for attribute in kind.attributes if attribute.written))


def _attribute(attribute: Attribute) -> tuple[str, str, str, str]:
    default = "required" if attribute.required else f"`{_default(attribute)}`"
    match attribute.mutability:
        case Mutability.IN_PLACE:
            change = "in place: " + ", ".join(attribute.operations)
        case Mutability.REPLACES:
            change = "needs a new object"
        case _:
            change = "kmsplan's own rule" if attribute.recorded else "how it is read"
    return f"`{attribute.name}`", default, change, attribute.doc


def _default(attribute: Attribute) -> str:
    """Return the default as one would write it."""
    value = attribute.default
    if attribute.schema.get("pattern") == DURATION and value is not None:
        return f"{value}d"
    return "{}" if isinstance(value, dict) else _WORDS.get(value, str(value))


def _settings(section: str, schema: Mapping[str, Any]) -> str:
    """Return what a section takes that declares no objects."""
    if section == "defaults":
        rows = ((f"`{name}`", f"Any attribute but {_listed(names)}.") for name, names in NOT_DEFAULTS.items())
        return "\n" + table(("setting", "meaning"), rows)
    inside = schema.get("additionalProperties") or schema
    described = tuple(_described(inside, "NAME." if inside is not schema else ""))
    return "\n" + table(("setting", "meaning"), described) if described else ""


def _listed(names: frozenset[str]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(names))


def _described(schema: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, str]]:
    for name, part in schema.get("properties", {}).items():
        if "description" in part:
            yield f"`{prefix}{name}`", part["description"]
            yield from _described(part, f"{prefix}{name}.")
