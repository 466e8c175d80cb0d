from __future__ import annotations

from kmsplan.plan.graph import block_dependents, closure, cycle, dependents, link
from kmsplan.plan.plan import Action, Change, Reason
from kmsplan.resource.address import Address

CORE, ORDERS, ALIAS = Address("instance.core"), Address("key.orders"), Address("alias.orders")


def change(address: Address, action: Action, **said: object) -> Change:
    return Change(address=address, action=action, reason=Reason.NEW, **said)  # type: ignore[arg-type]


def linked(*changes: Change) -> dict[Address, tuple[Address, ...]]:
    return {one.address: one.depends_on for one in link({one.address: one for one in changes}).values()}


def test_an_object_waits_for_what_it_refers_to() -> None:
    found = linked(
        change(ALIAS, Action.CREATE, after={"key": ORDERS}),
        change(ORDERS, Action.CREATE, after={"instance": CORE}),
        change(CORE, Action.UPDATE, after={}),
    )
    assert found == {ALIAS: (ORDERS,), ORDERS: (CORE,), CORE: ()}


def test_nothing_waits_for_what_does_nothing() -> None:
    found = linked(change(ALIAS, Action.CREATE, after={"key": ORDERS}), change(ORDERS, Action.NO_OP, after={}))
    assert found[ALIAS] == ()


def test_a_deletion_waits_for_whatever_referred_to_it() -> None:
    other = Address("alias.other")
    found = linked(
        change(ALIAS, Action.DELETE, before={"key": ORDERS}),
        change(other, Action.UPDATE, before={"key": ORDERS}, after={"key": "key.new"}),
        change(ORDERS, Action.DELETE, before={"instance": CORE}),
        change(CORE, Action.DELETE, before={}),
    )
    assert found == {ALIAS: (), other: (), ORDERS: (ALIAS, other), CORE: (ORDERS,)}


def test_a_key_is_disabled_after_its_alias_has_moved_away() -> None:
    found = linked(
        change(ALIAS, Action.UPDATE, before={"key": ORDERS}, after={"key": "key.new"}),
        change(ORDERS, Action.UPDATE, before={}, after={"enabled": False}, attributes=("enabled",)),
    )
    assert found == {ALIAS: (), ORDERS: (ALIAS,)}


def test_a_key_that_is_disabled_does_not_wait_for_an_alias_that_stays() -> None:
    found = linked(
        change(ALIAS, Action.ADOPT, before={"key": ORDERS}, after={"key": ORDERS}),
        change(ORDERS, Action.UPDATE, before={}, after={"enabled": False}, attributes=("enabled",)),
    )
    assert found == {ALIAS: (ORDERS,), ORDERS: ()}


def test_a_predecessor_waits_for_successor_and_aliases() -> None:
    predecessor = Address("key.orders~1")
    found = linked(
        change(ORDERS, Action.REPLACE, before={}, after={}),
        change(ALIAS, Action.UPDATE, before={"key": predecessor}, after={"key": ORDERS}),
        change(predecessor, Action.UPDATE, before={}, after={"enabled": False}, attributes=("enabled",)),
    )
    assert found == {ORDERS: (), ALIAS: (ORDERS,), predecessor: (ALIAS, ORDERS)}


def test_blocking_spreads_to_all_that_waits_and_to_nothing_else() -> None:
    changes = {
        CORE: change(CORE, Action.NO_OP, blocked="cannot be read"),
        ORDERS: change(ORDERS, Action.CREATE, depends_on=(CORE,)),
        ALIAS: change(ALIAS, Action.CREATE, depends_on=(ORDERS,)),
        Address("key.free"): change(Address("key.free"), Action.CREATE),
    }
    found = block_dependents(changes)
    assert found[ALIAS].blocked == "waits for key.orders, which is blocked"
    assert found[ORDERS].blocked == "waits for instance.core, which is blocked"
    assert found[Address("key.free")].blocked is None


def test_a_cycle_is_found() -> None:
    assert cycle([change(CORE, Action.UPDATE, depends_on=(ORDERS,)), change(ORDERS, Action.UPDATE)]) == ()
    found = cycle(
        [change(CORE, Action.UPDATE, depends_on=(ORDERS,)), change(ORDERS, Action.UPDATE, depends_on=(CORE,))]
    )
    assert set(found) == {CORE, ORDERS}


def test_closure_follows_edges_both_ways_round() -> None:
    chain = [change(ALIAS, Action.CREATE, depends_on=(ORDERS,)), change(ORDERS, Action.CREATE, depends_on=(CORE,))]
    assert closure([ALIAS], {one.address: one.depends_on for one in chain}) == {ALIAS, ORDERS, CORE}
    assert closure([CORE], dependents(chain)) == {CORE, ORDERS, ALIAS}
