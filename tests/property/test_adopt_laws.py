"""Laws of adopting everything: what is written reads without a problem, and its plan adopts and does nothing else."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from kmsplan.adopt.files import files
from kmsplan.adopt.inventory import Wanted, take
from kmsplan.config.load import load
from kmsplan.kms.naming import Owner
from kmsplan.plan.plan import Action, PlanOptions
from kmsplan.plan.planner import make_plan
from kmsplan.provider.embedded import OFFER
from kmsplan.resource.value import Observed, Present
from kmsplan.state.record import Record, Recorded

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


@settings(max_examples=60, deadline=None)
@given(holdings())
def test_what_is_written_is_valid_adopts_everything_and_leaves_nothing_to_plan(observed: Observed) -> None:
    inventory = take(observed, Wanted())
    assert inventory.left_out == ()
    with tempfile.TemporaryDirectory() as folder:
        texts = files(inventory, {"embedded": {"path": "/engine"}})
        for name, text in texts.items():
            (Path(folder) / name).write_text(text, encoding="utf-8")
        configuration = load(Path(folder), variables={}, variable_files=(), environ={}, now=NOW)

    def plan(recorded: Recorded, seen: Observed) -> Any:
        options = PlanOptions(now=NOW)
        return make_plan(configuration=configuration, recorded=recorded, observed=seen, offer=OFFER, options=options)

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
