"""What is declared and valid, and the provider cannot do: found before anything is promised."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kmsplan.plan import rules

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from kmsplan.config.configuration import Declared
    from kmsplan.plan.plan import Violation
    from kmsplan.resource.address import Address
    from kmsplan.resource.attribute import Attributes
    from kmsplan.resource.offer import Offer


def unoffered(
    kind: str, addresses: Iterable[Address], desired: Mapping[Address, Declared], offer: Offer
) -> dict[Address, Violation]:
    """Return a violation for every declared object of one kind that the provider does not offer."""
    if kind == "alias" and kind in offer.kinds:
        return {}
    answers: dict[Any, str | None] = {}  # thousands of keys share a few combinations
    found: dict[Address, Violation] = {}
    for address in addresses:
        declared = desired.get(address)
        if declared is None:
            continue
        facts = _facts(kind, declared.attributes)
        if facts not in answers:
            answers[facts] = _problem(kind, declared.attributes, desired, offer)
        problem = answers[facts]
        if problem:
            found[address] = rules.not_offered(address, problem, offer.name, declared)
    return found


def _facts(kind: str, attributes: Attributes) -> Any:
    """Return all that the answer depends on."""
    said = attributes.get
    if kind == "key":
        known = said("instance"), said("spec"), said("origin"), said("storage_mechanism")
        return (*known, said("hsm_object") is not None)
    return said("type"), said("origin")


def _problem(kind: str, attributes: Attributes, desired: Mapping[Address, Declared], offer: Offer) -> str | None:
    if kind not in offer.kinds:
        return f"a {kind}"
    if kind == "instance" and attributes["type"] not in offer.instance_types:
        return f"an instance of type {attributes['type']}"
    if kind == "default_key" and attributes["origin"] not in offer.origins:
        return f"a default key of origin {attributes['origin']}"
    if kind != "key":
        return None
    instance = desired.get(attributes["instance"])
    type_ = instance.attributes["type"] if instance else None
    if type_ not in offer.instance_types:
        return None  # said of the instance, once
    return _key_problem(attributes, str(type_), offer)


def _key_problem(attributes: Attributes, type_: str, offer: Offer) -> str | None:
    mechanism = attributes.get("storage_mechanism")
    if attributes["origin"] not in offer.origins:
        return f"a key of origin {attributes['origin']}"
    if attributes["spec"] not in offer.specs.get(type_, ()):
        return f"a key of spec {attributes['spec']} in an instance of type {type_}"
    if attributes.get("hsm_object") is not None and not offer.hsm_objects:
        return "a key that stands for an object of an HSM's token (`hsm_object`)"
    if mechanism is not None and mechanism not in offer.storage_mechanisms:
        return f"a key stored as {mechanism}"
    return None
