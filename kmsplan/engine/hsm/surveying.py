"""The keys in a token that no engine made, for who wants to let keys of ours stand for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pkcs11.exceptions import PKCS11Error

from kmsplan.engine.hsm import fitness, objects
from kmsplan.engine.hsm.message import Fault, TokenFaultError
from kmsplan.engine.hsm.objects import Group
from kmsplan.engine.hsm.opening import words

if TYPE_CHECKING:
    from kmsplan.engine.hsm.driver import Driver


def survey(driver: Driver) -> list[dict[str, Any]]:
    """Return for each its `id`, `label`, `spec`, `usages`, and whether it `never_left`; or the `problem` with it.

    Raises:
        TokenFaultError: SICK.
    """
    with driver.index.lock:
        try:
            groups = objects.group(driver, driver.library.handles(driver.login))
        except PKCS11Error as error:
            raise TokenFaultError(Fault.SICK, f"a search answers {words(error)}") from error
    nameless = groups.pop(b"", Group([], []))
    others = [(identity, one) for identity, one in sorted(groups.items()) if not one.ours]
    alone = [(b"", Group([one], [])) for one in nameless.keys if not Group([one], []).ours]
    return [_described(identity, one) for identity, one in (*others, *alone)]


def _described(identity: bytes, found: Group) -> dict[str, Any]:
    described: dict[str, Any] = {"id": identity.hex(), "label": found.label, "never_left": False}
    try:
        spec = fitness.fitting(identity, found)
    except fitness.UnfitError as error:
        return {**described, "spec": None, "usages": [], "problem": str(error)}
    never_left = all(map(found.keys[0].is_true, (objects.CKA_LOCAL, objects.CKA_NEVER_EXTRACTABLE)))
    told = [usage.value for usage in fitness.usages(spec, found)]
    return {**described, "never_left": never_left, "spec": spec.value, "usages": told, "problem": None}
