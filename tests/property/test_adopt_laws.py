"""Laws of adopting everything: what is written reads without a problem, and its plan adopts and does nothing else."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st

from kmsplan.adopt.files import files
from kmsplan.adopt.inventory import Wanted, take
from kmsplan.adopt.written import Secrets
from kmsplan.config.configuration import SecretReference
from kmsplan.config.diagnostic import Span
from kmsplan.config.load import load
from kmsplan.kms.naming import Owner
from kmsplan.plan.plan import Action, PlanOptions
from kmsplan.plan.planner import make_plan
from kmsplan.provider.embedded import OFFER
from kmsplan.resource.address import kind_of
from kmsplan.resource.hsmobject import HsmObject
from kmsplan.resource.value import Observed, Present
from kmsplan.state.record import Record, Recorded

if TYPE_CHECKING:
    from collections.abc import Callable

    from kmsplan.adopt.inventory import Inventory

NOW = datetime(2026, 1, 1, tzinfo=UTC)
HOSTILE = (
    "yes",
    "no",
    "null",
    "~",
    "012",
    "0x1F",
    "1_000",
    "1e3",
    "2027-12-31",
    "- a: b # c",
    "${var.x} $${y} $",
    "'\"\\",
    "line\nbreak\r\n\ttab ",
    "{[&*!|>%@`",
    "--- \n...",
    "\u202eturned\u2066",
    "\ufeff\u2028\x85\x7f",
    "\U0001f600 für 密钥",
    " ",
    "<<",
    "=",
)
TEXTS = st.sampled_from(HOSTILE) | st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40
)
TAG = st.text("abcXYZ019/\\_.+=:@ -", min_size=1, max_size=12).filter(lambda text: not text.startswith("acs:"))
TAGS = st.dictionaries(TAG | st.sampled_from(["yes", "01", "on", "1e3", "-"]), TAG | st.just(""), max_size=4)
ALIASES = st.sets(
    st.text("abZ09_/-", min_size=1, max_size=8).filter(lambda text: not text.startswith("acs")), max_size=2
)
STATEMENT = {
    "Sid": "a",
    "Effect": "Allow",
    "Principal": {"RAM": ["acs:ram::1:*"]},
    "Action": ["kms:*"],
    "Resource": ["*"],
}
KEYS = st.fixed_dictionaries(
    {
        "spec": st.sampled_from(["Aliyun_AES_256", "EC_P256"]),
        "description": TEXTS,
        "tags": TAGS,
        "enabled": st.booleans(),
        "deletion_protection": st.booleans(),
        "rotation": st.sampled_from([None, 604_800, 700_000]),
        "policy": st.sampled_from([None, {"Version": "1", "Statement": [STATEMENT]}]),
        "instance": st.integers(0, 1),
    }
)


def instance(number: int, tags: dict[str, str]) -> Present:
    attributes = {"type": "software", "spec": 1000, "key_quota": 2000, "hsm": None, "proxy": None, "tags": tags}
    return Present(
        kind="instance", identity=f"kst-{number}", attributes={**attributes, "deletion_protection": bool(number)}
    )


def key(number: int, drawn: dict[str, Any]) -> Present:
    asymmetric = drawn["spec"] == "EC_P256"
    attributes = {
        **drawn,
        "instance": f"kst-{drawn['instance']}",
        "usage": "SIGN/VERIFY" if asymmetric else "ENCRYPT/DECRYPT",
        "rotation": None if asymmetric else drawn["rotation"],
        "origin": "Aliyun_KMS",
        "storage_mechanism": None,
        "external_key": None,
        "hsm_object": None,
        "imported": None,
        "versions": 1,
    }
    state = "Enabled" if drawn["enabled"] else "Disabled"
    return Present(kind="key", identity=f"key-{number}", attributes=attributes, state=state)


@st.composite
def holdings(draw: st.DrawFn) -> Observed:
    """Everything that some KMS holds."""
    keys = [key(number, drawn) for number, drawn in enumerate(draw(st.lists(KEYS, max_size=5)))]
    names = draw(st.lists(ALIASES, min_size=len(keys), max_size=len(keys)))
    aliases: dict[str, str] = {}
    for found, chosen in zip(keys, names, strict=True):
        aliases |= {f"alias/{name}": found.identity for name in chosen}
    return Observed(
        environment="model",
        objects={},
        others=(
            *(instance(number, draw(TAGS)) for number in (0, 1)),
            *keys,
            *(Present(kind="alias", identity=name, attributes={"key": held}) for name, held in aliases.items()),
        ),
    )


def planner_of_written(inventory: Inventory) -> Callable[[Recorded, Observed], Any]:
    """Write an inventory's files, read them back, and return what plans with them."""
    with tempfile.TemporaryDirectory() as folder:
        for name, text in files(inventory, {"embedded": {"path": "/engine"}}).items():
            (Path(folder) / name).write_text(text, encoding="utf-8")
        configuration = load(Path(folder), variables={}, variable_files=(), environ={}, now=NOW)

    def plan(recorded: Recorded, seen: Observed) -> Any:
        options = PlanOptions(now=NOW)
        return make_plan(configuration=configuration, recorded=recorded, observed=seen, offer=OFFER, options=options)

    return plan


@settings(max_examples=60, deadline=None)
@given(holdings())
def test_what_is_written_is_valid_adopts_everything_and_leaves_nothing_to_plan(observed: Observed) -> None:
    inventory = take(observed, Wanted())
    assert inventory.left_out == ()
    plan = planner_of_written(inventory)
    first = plan(Recorded(lineage="4f1d", serial=0, environment=""), observed)
    assert first.violations == ()
    assert {change.identity for change in first.changes} == {present.identity for present in observed.others}
    assert {(change.action, change.attributes, change.blocked) for change in first.changes} == {
        (Action.ADOPT, (), None)
    }

    records = {
        change.address: Record(address=change.address, identity=change.identity, attributes=change.effect.attributes)
        for change in first.changes
    }
    places = {record.identity: address for address, record in records.items()}
    seen = {
        one.identity: one
        if one.kind == "alias"
        else replace(one, owner=str(Owner("4f1d", places[one.identity], "imported")))
        for one in observed.others
    }
    after = Recorded(lineage="4f1d", serial=1, environment="model", records=records)
    assert plan(after, Observed(environment="model", objects=seen)).empty


@settings(max_examples=40, deadline=None)
@given(holdings(), st.randoms())
def test_what_is_written_does_not_depend_on_the_order_in_which_the_kms_lists(observed: Observed, random: Any) -> None:
    shuffled = list(observed.others)
    random.shuffle(shuffled)
    engine = {"embedded": {"path": "/engine"}}
    assert files(take(replace(observed, others=tuple(shuffled)), Wanted()), engine) == files(
        take(observed, Wanted()), engine
    )


@st.composite
def tokens(draw: st.DrawFn) -> tuple[Observed, list[HsmObject]]:
    """An engine with a hardware instance, some keys in it, and others in its token."""
    hsm = {"module": "/m.so", "token": "t"}
    vault = replace(instance(0, {}), attributes={**instance(0, {}).attributes, "type": "hardware", "hsm": hsm})
    own = {"instance": 0, "rotation": None}
    keys = [key(number, {**drawn, **own}) for number, drawn in enumerate(draw(st.lists(KEYS, max_size=2)))]
    inside = [replace(one, attributes={**one.attributes, "storage_mechanism": "HsmInternal"}) for one in keys]
    names = st.sampled_from(["00", "09", "10", "1e51", "0e12", "12345678", b"0x".hex()])
    ids = draw(st.lists(names | st.binary(min_size=1, max_size=64).map(bytes.hex), max_size=6, unique=True))
    kinds = st.sampled_from(
        [("Aliyun_AES_256", "ENCRYPT/DECRYPT"), ("EC_P256", "SIGN/VERIFY"), ("RSA_2048", "ENCRYPT/DECRYPT"), None]
    )
    found = []
    for name in ids:
        kind, label = draw(kinds), draw(TEXTS | st.just("\x1b[2J\0"))
        told: dict[str, Any] = {"problem": "no"} if kind is None else {"spec": kind[0], "usages": (kind[1],)}
        found.append(HsmObject(instance="kst-0", object_id=name, label=label, never_left=draw(st.booleans()), **told))
    return Observed(environment="model", objects={}, others=(vault, *inside)), found


@settings(max_examples=60, deadline=None)
@given(tokens())
def test_what_an_hsm_holds_is_declared_or_named_and_nothing_is_left_to_plan_after_the_apply(
    drawn: tuple[Observed, list[HsmObject]],
) -> None:
    observed, found = drawn
    pin = SecretReference(source="env", name="PIN", span=Span("kmsplan.yaml", 1, 1, 1, 1))
    inventory = take(observed, Wanted(hsm_objects=found, secrets=Secrets(pins={("/m.so", "t"): pin})))
    good = {one.object_id for one in found if one.problem is None}
    assert {one.written["hsm_object"] for one in inventory.objects if one.made} == good
    assert len(inventory.left_out) == len(found) - len(good)
    plan = planner_of_written(inventory)
    first = plan(Recorded(lineage="4f1d", serial=0, environment=""), observed)
    assert first.violations == ()
    made = [change for change in first.changes if change.action is Action.CREATE]
    assert sorted(change.after["hsm_object"] for change in made) == sorted(good)
    assert {change.action for change in first.changes} <= {Action.CREATE, Action.ADOPT}

    identities = {change.address: change.identity or f"key-made-{change.address}" for change in first.changes}
    attributes = {change.address: change.after for change in first.changes}
    records = {
        address: Record(address=address, identity=identity, attributes=attributes[address])
        for address, identity in identities.items()
    }
    seen = {
        identity: Present(
            kind=kind_of(address),
            identity=identity,
            attributes={
                name: identities.get(value, value) if name == "instance" else value
                for name, value in attributes[address].items()
            },
            owner=str(Owner("4f1d", address, "made")),
        )
        for address, identity in identities.items()
    }
    after = Recorded(lineage="4f1d", serial=1, environment="model", records=records)
    assert plan(after, Observed(environment="model", objects=seen)).empty
