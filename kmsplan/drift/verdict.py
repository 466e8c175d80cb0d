"""Three ways: what the next apply makes of one drifted attribute."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kmsplan.drift.report import Verdict
from kmsplan.kms.lifecycle import KeyState
from kmsplan.resource.address import Address, kind_of
from kmsplan.resource.attribute import Mutability
from kmsplan.resource.kinds import KINDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kmsplan.config.configuration import Declared
    from kmsplan.plan.plan import Drift, DriftedAttribute
    from kmsplan.resource.attribute import Attributes


def verdicts(drift: Drift, desired: Mapping[Address, Declared]) -> dict[str, Verdict]:
    """Return the verdict on each drifted attribute, by name."""
    declared = desired.get(Address(drift.address))
    return {one.name: _verdict(drift, one, declared.attributes if declared else None) for one in drift.attributes}


def _verdict(drift: Drift, drifted: DriftedAttribute, declared: Attributes | None) -> Verdict:
    if declared is None:
        return Verdict.UNDECLARED
    if drifted.name not in KINDS[kind_of(Address(drift.address))].by_name:
        return _beside(drifted)
    if not _says(drift, drifted.name, declared):
        return Verdict.UNDECLARED
    wanted = declared[drifted.name]
    if wanted == drifted.observed:
        return Verdict.ACCEPT
    return Verdict.REVERT if wanted == drifted.recorded else Verdict.CONFLICT


def _beside(drifted: DriftedAttribute) -> Verdict:
    """Judge what is no attribute of a declared object."""
    if drifted.name == "owner":
        return Verdict.REVERT  # whatever is declared carries this configuration's owner tag
    cancelled = drifted.recorded == KeyState.PENDING_DELETION
    return Verdict.ACCEPT if cancelled else Verdict.UNDECLARED  # it is wanted; but nobody can apply an HSM back


def _says(drift: Drift, name: str, declared: Attributes) -> bool:
    """Return whether a configuration says what an attribute is to be; None may mean that whatever is there is right."""
    attribute = KINDS[kind_of(Address(drift.address))].by_name[name]
    open_ended = attribute.follows or attribute.mutability is Mutability.REPLACES
    return name in declared and not (open_ended and declared[name] is None)
