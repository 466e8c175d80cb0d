"""docs/evidence.md, made from tests/case/evidence.yaml and kmsplan's tables: which tests show what is promised."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml

from kmsplan.kms.capability import CAPABILITIES, Capability, KeyStorageMechanism, Origin, rotation_refusal
from kmsplan.kms.spec import KeySpec, KeyType
from kmsplan.report.markdown import table
from kmsplan.server.action import unsupported
from kmsplan.server.action.table import ROWS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

FILE: Final = Path(__file__).parent / "case" / "evidence.yaml"
FEATURES: Final = tuple(field.name for field in fields(Capability))
SERVED: Final = sorted(ROWS.keys() - unsupported.ROWS.keys())


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the feature matrix."""

    name: str
    key_type: KeyType | None
    """None is a key that was migrated from KMS 1.0, which does nothing but leave traces in the audit trail."""
    mechanism: KeyStorageMechanism | None = None

    def cell(self, feature: str) -> str:
        """Return what such a key has of a feature."""
        if self.key_type is None:
            return _said(feature == "audit")
        if feature == "rotation":
            return _said(rotation_refusal(self.key_type, KeySpec.AES_256, Origin.KMS, self.mechanism) is None)
        value = getattr(CAPABILITIES[self.key_type], feature)
        return ", ".join(map(str, value)) if isinstance(value, tuple) else _said(value)


def _said(value: object) -> str:
    return "yes" if value else "no"


COLUMNS: Final = {
    column.name: column
    for column in (
        Column("service_key", KeyType.SERVICE_KEY),
        Column("default_cmk", KeyType.DEFAULT_CMK),
        Column("software", KeyType.SOFTWARE),
        Column("HsmInternal", KeyType.HARDWARE, KeyStorageMechanism.HSM_INTERNAL),
        Column("HsmEncryptedDatabase", KeyType.HARDWARE, KeyStorageMechanism.HSM_ENCRYPTED_DATABASE),
        Column("external", KeyType.EXTERNAL),
        Column("migrated", None),
    )
}
_HEAD: Final = """# What shows it

<!-- Made from tests/case/evidence.yaml and kmsplan's tables by tests/evidence.py; a test fails where it differs. -->

For every action of the API, every cell of the matrix of key types and every error code: tests that show it. Names are
those of pytest: `tests/run NAME` sets up what one needs and runs it, and `tests/run` alone runs all of them.
"""
_ACTIONS: Final = """
## Actions

### Every action that is served

Each of these tests goes through the actions by the tables that the server works with, so that none can be left out.

"""
_MATRIX: Final = """
## Key types

What each type of key has. `HsmInternal` and `HsmEncryptedDatabase` are the two storage mechanisms of hardware keys;
`migrated` are the read-only keys of KMS 1.0. Rotation is that of symmetric keys whose material the KMS made. Backup is
the one that the cloud sells for an instance: `kmsplan engine backup` saves the whole engine, keys of every type, but
hardware and external keys still need their token or key manager afterwards.

"""
_TITLES: Final = {
    "clients": ("Clients", "client"),
    "stores": ("Stores", "keystore"),
    "keeping": ("Keeping", "what is done to an engine"),
    "faults": ("Faults", "what happens"),
    "bad_input": ("Bad input", "what is sent"),
}


def read() -> dict[str, Any]:
    """Return the table of tests."""
    found: dict[str, Any] = yaml.safe_load(FILE.read_text())
    return found


def named(evidence: Any) -> Iterator[str]:
    """Return every test that a part of the table names."""
    if isinstance(evidence, str):
        yield evidence
        return
    parts = evidence if isinstance(evidence, list) else evidence.values()
    for part in parts:
        yield from named(part["shown"] if isinstance(part, dict) and "shown" in part else part)


def page(evidence: Mapping[str, Any]) -> str:
    """Return docs/evidence.md."""
    return "".join((_HEAD, *_actions(evidence), *_matrix(evidence["features"]), *_others(evidence)))


def _actions(evidence: Mapping[str, Any]) -> Iterator[str]:
    yield _ACTIONS
    yield _told("an action", evidence["every_action"])
    yield "\n### Each action\n\n"
    yield _told("action", {f"`{action}`": shown for action, shown in sorted(evidence["actions"].items())})
    yield "\n### Actions that are not served\n\n"
    shown = _tests(evidence["not_served"])
    rows = ((why, _code(actions), shown) for why, actions in unsupported.GROUPS.items())
    yield table(("because", "actions", "shown by"), rows)


def _matrix(features: Mapping[str, Any]) -> Iterator[str]:
    yield _MATRIX
    rows = ((_spaced(feature), *(column.cell(feature) for column in COLUMNS.values())) for feature in FEATURES)
    yield table(("feature", *COLUMNS), rows)
    yield "\n"
    groups = ((feature, group) for feature in FEATURES for group in features.get(feature, ()))
    rows_of_tests = ((_spaced(feature), ", ".join(group["of"]), _tests(group["shown"])) for feature, group in groups)
    yield table(("feature", "of", "shown by"), rows_of_tests)


def _others(evidence: Mapping[str, Any]) -> Iterator[str]:
    for part, (title, what) in _TITLES.items():
        yield f"\n## {title}\n\n"
        yield _told(what, evidence[part])
    yield "\n## Error codes\n\nThose that the engine itself never answers are shown to be understood by the client.\n\n"
    rows = ((_code(group["of"]), _tests(group["shown"])) for group in evidence["errors"])
    yield table(("code", "shown by"), rows)


def _told(what: str, shown: Mapping[str, list[str]]) -> str:
    return table((what, "shown by"), ((name, _tests(tests)) for name, tests in shown.items()))


def _tests(names: Iterable[str]) -> str:
    return "<br>".join(f"`{name}`" for name in names)


def _code(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _spaced(feature: str) -> str:
    return feature.replace("_", " ")
