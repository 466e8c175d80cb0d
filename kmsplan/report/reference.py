"""The reference pages of docs/, made from the tables, so that a fact stands once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kmsplan.kms.capability import CAPABILITIES
from kmsplan.kms.lifecycle import LIFECYCLE, KeyState
from kmsplan.kms.settling import OPERATIONS
from kmsplan.kms.spec import SPECS, KeyType
from kmsplan.report.configuration_page import configuration_page
from kmsplan.report.markdown import GENERATED, table

if TYPE_CHECKING:
    from kmsplan.kms.spec import SpecFacts


def kms_page() -> str:
    """Return docs/kms.md: specs, capabilities, states and operations as kmsplan knows them."""
    return "".join(
        (
            "# What kmsplan knows of the KMS\n\n",
            GENERATED,
            "\n## Key specs\n\n",
            table(
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
            table(
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
    return table(("feature", *(key_type.value for key_type in CAPABILITIES)), (rotation, *rows))


def _lifecycle() -> str:
    actions = dict.fromkeys(action for action, _ in LIFECYCLE)
    rows = (
        (action, *(f"`{code}`" if (code := LIFECYCLE[action, state]) else "OK" for state in KeyState))
        for action in actions
    )
    return table(("action", *(state.value for state in KeyState)), rows)


PAGES = {"configuration.md": configuration_page, "kms.md": kms_page}
