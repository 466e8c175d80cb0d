"""What Alibaba Cloud KMS offers, from the tables of `kms`."""

from __future__ import annotations

from typing import Final

from kmsplan.kms.capability import KeyStorageMechanism, Origin
from kmsplan.kms.spec import INSTANCE_TYPES, specs_for
from kmsplan.resource.kinds import KINDS
from kmsplan.resource.offer import Offer

OFFER: Final = Offer(
    name="Alibaba Cloud KMS",
    kinds=frozenset(KINDS),
    instance_types=frozenset(type_.value for type_ in INSTANCE_TYPES),
    specs={type_.value: frozenset(spec.value for spec in specs_for(type_)) for type_ in INSTANCE_TYPES},
    origins=frozenset(origin.value for origin in Origin),
    storage_mechanisms=frozenset(mechanism.value for mechanism in KeyStorageMechanism),
)
