"""States as Terraform writes them, and everything that is none: what is wrong is said, and no value of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kmsplan.adopt.terraform.document import Resource, TerraformStateError, read

CASES = Path(__file__).parents[3] / "case" / "terraform"


def state(*resources: dict[str, Any], **members: Any) -> bytes:
    return json.dumps({"version": 4, "resources": resources, **members}).encode()


def resource(*instances: dict[str, Any], **members: Any) -> dict[str, Any]:
    return {"mode": "managed", "type": "alicloud_kms_key", "name": "orders", "instances": list(instances), **members}


def test_what_terraform_itself_wrote_is_read_alike_from_the_file_and_from_show() -> None:
    stated = {one.address: one for one in read((CASES / "modules.state.json").read_bytes())}
    shown = {one.address: one for one in read((CASES / "modules.show.json").read_bytes())}
    assert stated == {address: shown_as(one, stated[address]) for address, one in shown.items()}
    assert len(stated) == 18
    assert [one.address for one in stated.values() if one.tainted] == ["terraform_data.one"]
    assert set(addresses(json.loads((CASES / "modules.show.json").read_text())["values"]["root_module"])) == set(stated)


def shown_as(one: Resource, other: Resource) -> Resource:
    """`terraform show` leaves out the types of dynamic attributes, which the file has beside them."""
    return Resource(
        address=one.address,
        type=one.type,
        names=one.names,
        values=other.values,
        deposed=one.deposed,
        tainted=one.tainted,
    )


def addresses(module: dict[str, Any]) -> list[str]:
    """The addresses as Terraform itself writes them."""
    own = [str(one["address"]) for one in module.get("resources", ())]
    return own + [address for child in module.get("child_modules", ()) for address in addresses(child)]


@pytest.mark.parametrize(
    ("module", "index", "names"),
    [
        (None, None, ("orders",)),
        ("", "acme", ("orders", "acme")),
        ("module.a", 0, ("a", "orders", "0")),
        ('module.a["x.y"].module.b[12]', "z", ("a", "x.y", "b", "12", "orders", "z")),
        ('module.a["say \\"module.b\\""]', None, ("a", 'say \\"module.b\\"', "orders")),
    ],
)
def test_a_resource_is_called_after_its_modules_itself_and_its_index(
    module: str | None, index: str | int | None, names: tuple[str, ...]
) -> None:
    (found,) = read(state(resource({"attributes": {}, "index_key": index}, module=module)))
    assert found.names == names


def test_data_sources_are_no_resources() -> None:
    assert read(state(resource({"attributes": {}}, mode="data"))) == ()


def test_what_is_deposed_tainted_or_of_an_old_form_is_told_apart() -> None:
    found = read(
        state(
            resource(
                {"attributes": {"id": "key-1"}, "status": "tainted"},
                {"attributes": {"id": "key-2"}, "deposed": "0badcafe"},
                {"attributes_flat": {"id": "key-3"}},
            )
        )
    )
    assert [(one.tainted, one.deposed, one.values) for one in found] == [
        (True, False, {"id": "key-1"}),
        (False, True, {"id": "key-2"}),
        (False, False, None),
    ]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "the state is empty"),
        (b"\xef\xbb\xbf \n", "the state is empty"),
        (b"resource {", "is not JSON: line 1"),
        (b'{"a":\n"\xff"}', "is not JSON"),
        (b"[]", "it is no JSON object"),
        (b"{}", "neither version nor format_version"),
        (b'{"version": 3, "modules": []}', "has version '3'"),
        (b'{"version": 5}', "has version '5'"),
        (b'{"version": {"hunter2": 1}}', "has version 'unknown'"),
        (b'{"format_version": "2.0"}', "has version '2.0'"),
        (b'{"format_version": "1.2", "resource_changes": []}', "this is a plan, not a state"),
        (b'{"version": 4, "encrypted_data": "x"}', "the state is encrypted"),
        (b'{"version": 4, "resources": {}}', "resources has not the form"),
        (state({"mode": "managed"}), "resources.0 has not the form"),
        (state(resource({"attributes": ["hunter2"]})), "resources.0.instances.0.attributes has not the form"),
        (state(resource({"index_key": True})), "resources.0.instances.0.index_key has not the form"),
        (b'{"format_version": "1.0", "values": {"root_module": {"resources": [{}]}}}', "root_module.resources.0"),
        (b'{"format_version": "1.0", "values": {"root_module": {"child_modules": ["hunter2"]}}}', "child_modules.0"),
    ],
)
def test_what_is_no_state_is_refused_with_what_to_do_and_without_its_values(content: bytes, words: str) -> None:
    with pytest.raises(TerraformStateError) as refused:
        read(content)
    assert words in str(refused.value)
    assert "hunter2" not in str(refused.value) + refused.value.remedy
    assert "terraform" in refused.value.remedy or "tofu" in refused.value.remedy


@pytest.mark.parametrize("content", [b'{"version": 4}', b'{"format_version": "1.0"}', b'\xef\xbb\xbf{"version": 4}'])
def test_a_state_without_resources_is_a_state(content: bytes) -> None:
    assert read(content) == ()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
SOME = st.dictionaries(
    st.sampled_from(
        ["mode", "type", "name", "instances", "module", "address", "resources", "child_modules", "values", "index"]
    ),
    JSON | st.just("managed") | st.lists(st.fixed_dictionaries({"attributes": JSON, "index_key": JSON}), max_size=2),
    max_size=8,
)


@given(SOME, st.booleans())
def test_whatever_stands_in_a_state_it_is_read_or_refused(some: dict[str, Any], stated: bool) -> None:  # noqa: FBT001
    document: dict[str, Any] = (
        {"version": 4, "resources": [some]} if stated else {"format_version": "1.0", "values": {"root_module": some}}
    )
    try:
        assert all(isinstance(one, Resource) for one in read(json.dumps(document).encode()))
    except TerraformStateError as refused:
        assert "has not the form" in str(refused)  # noqa: PT017 - one of two good ends
