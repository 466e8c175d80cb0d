"""The reference pages of docs/, made from the tables, so that a fact stands once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kmsplan.kms.capability import CAPABILITIES, DELETION_WINDOW_DAYS, ROTATION_DAYS
from kmsplan.kms.lifecycle import LIFECYCLE, KeyState
from kmsplan.kms.operation import OPERATIONS
from kmsplan.kms.spec import SPECS, KeyType
from kmsplan.resource.attribute import Attribute, Mutability
from kmsplan.resource.kinds import KINDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from kmsplan.kms.spec import SpecFacts

GENERATED = "<!-- Made from the tables by kmsplan.report.reference; a test fails where it differs. -->\n"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


def configuration_page() -> str:
    """Return docs/configuration.md: every kind and every attribute."""
    sections = [
        "# Configuration reference\n\n",
        GENERATED,
        (
            "\nA configuration is a folder; its `*.yaml` and `*.yml` files are read together. Durations are: `90d`, "
            f"`12h`, `30m` or `60s`. Rotation takes {ROTATION_DAYS[0]} to {ROTATION_DAYS[1]} days, a deletion window "
            f"{DELETION_WINDOW_DAYS[0]} to {DELETION_WINDOW_DAYS[1]}.\n"
        ),
    ]
    for kind in KINDS.values():
        rows = [_attribute(attribute) for attribute in kind.attributes if attribute.written]
        head = ("attribute", "default", "a change", "meaning")
        sections.append(f"\n## `{kind.section}`\n\n{kind.doc}\n\n{_table(head, rows)}")
    return "".join(sections)


def _attribute(attribute: Attribute) -> tuple[str, str, str, str]:
    default = "required" if attribute.required else f"`{_written(attribute.default)}`"
    match attribute.mutability:
        case Mutability.IN_PLACE:
            change = "in place: " + ", ".join(attribute.operations)
        case Mutability.REPLACES:
            change = "needs a new object"
        case _:
            change = "kmsplan's own rule" if attribute.recorded else "how it is read"
    return f"`{attribute.name}`", default, change, attribute.doc


def _written(value: Any) -> str:
    return {None: "none", True: "true", False: "false"}.get(value, str(value)) if not isinstance(value, dict) else "{}"


def kms_page() -> str:
    """Return docs/kms.md: specs, capabilities, states and operations as kmsplan knows them."""
    return "".join(
        (
            "# What kmsplan knows of the KMS\n\n",
            GENERATED,
            "\n## Key specs\n\n",
            _table(
                ("spec", "bits", "usages, the default first", "algorithms", "where"),
                (
                    (
                        f"`{spec}`",
                        str(facts.bits),
                        ", ".join(_usages(facts)),
                        ", ".join(facts.algorithms),
                        ", ".join(kind.value for kind in KeyType if kind in facts.instance_types),
                    )
                    for spec, facts in SPECS.items()
                ),
            ),
            "\n## Key types and features\n\n",
            _capabilities(),
            "\n## Which action each key state allows\n\n",
            _lifecycle(),
            "\n## Operations\n\n",
            _table(
                ("operation", "a repeat is harmless", "an interrupted one is settled"),
                ((name, _yes(facts.repeatable), facts.settle.value) for name, facts in OPERATIONS.items()),
            ),
        )
    )


def _usages(facts: SpecFacts) -> tuple[str, ...]:
    default = facts.default_usage
    return (default, *(usage for usage in facts.usages if usage is not default))


def _yes(value: object) -> str:
    return {True: "yes", False: "no"}[bool(value)]


def _capabilities() -> str:
    features = (
        "schedule_deletion",
        "deletion_protection",
        "import_symmetric",
        "import_asymmetric",
        "backup",
        "encrypt",
        "sign",
        "server_side_encryption",
        "user_creates",
        "policy",
        "aliases",
        "tags",
        "audit",
    )
    rows = [
        (feature.replace("_", " "), *(_yes(getattr(capability, feature)) for capability in CAPABILITIES.values()))
        for feature in features
    ]
    rotation = ("rotation", *(capability.rotation.value for capability in CAPABILITIES.values()))
    return _table(("feature", *(key_type.value for key_type in CAPABILITIES)), (rotation, *rows))


def _lifecycle() -> str:
    actions = dict.fromkeys(action for action, _ in LIFECYCLE)
    rows = (
        (action, *(f"`{code}`" if (code := LIFECYCLE[action, state]) else "OK" for state in KeyState))
        for action in actions
    )
    return _table(("action", *(state.value for state in KeyState)), rows)


PAGES = {"configuration.md": configuration_page, "kms.md": kms_page}
