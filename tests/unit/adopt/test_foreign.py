"""Keys in HSMs that none of the KMS's is: declared with a name that tells something, or left out with the reason."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from kmsplan.adopt.files import files
from kmsplan.adopt.foreign import declared, identity_of, remarks, unasked
from kmsplan.adopt.inventory import Wanted, take
from kmsplan.resource.hsmobject import HsmObject
from kmsplan.resource.value import Observed, Present

HOMES = {"kst-1": "vault"}


def found(name: str, label: str = "", **told: Any) -> HsmObject:
    usual: dict[str, Any] = {"spec": "Aliyun_AES_256", "usages": ("ENCRYPT/DECRYPT",)}
    return HsmObject(instance="kst-1", object_id=name, label=label, **{**usual, **told})


def held() -> Observed:
    attributes = {"type": "hardware", "spec": 1000, "key_quota": 1000, "tags": {}, "deletion_protection": False}
    vault = Present(
        kind="instance", identity="kst-1", attributes={**attributes, "hsm": {"module": "/m.so", "token": "t"}}
    )
    return Observed(environment="e", objects={}, others=(vault,))


def test_a_key_is_called_after_the_label_and_else_after_the_id() -> None:
    objects = [found("01", "Payments: 2019"), found("02"), found("03", "Payments 2019"), found("ab" * 64)]
    places = {address: written["hsm_object"] for address, written in declared(objects, HOMES, (), {})[0].values()}
    assert places == {
        "key.Payments-2019": "01",
        "key.object-02": "02",
        "key.Payments-2019-2": "03",
        f"key.object-{'ab' * 28}a": "ab" * 64,
    }


def test_names_of_other_keys_are_not_taken_again() -> None:
    kept, _ = declared([found("01", "orders")], HOMES, ["orders"], {})
    assert [address for address, _ in kept.values()] == ["key.orders-2"]


def test_a_label_becomes_the_description_and_means_itself() -> None:
    kept, _ = declared([found("01", " ${var.x}\0 ")], HOMES, (), {})
    ((_, written),) = kept.values()
    assert written["description"] == "$${var.x}"
    assert written["deletion_protection"] is True


def test_what_no_key_can_stand_for_is_left_out_with_the_reason() -> None:
    bad = found("01", "open\x1b[2J", problem="it can be read out")
    nameless = found("", problem="it has no CKA_ID")
    stranger = HsmObject(instance="kst-2", object_id="02", spec="Aliyun_AES_256", usages=("ENCRYPT/DECRYPT",))
    refused = found("03")
    kept, left_out = declared([bad, nameless, stranger, refused], HOMES, (), {identity_of(refused): "K999"})
    assert kept == {}
    assert left_out == {
        "kst-1 object 01 labelled 'open\\x1b[2J'": "it can be read out",
        "kst-1 object without a CKA_ID": "it has no CKA_ID",
        "kst-2 object 02": "its instance kst-2 is left out",
        "kst-1 object 03": "K999",
    }
    assert unasked({"kst-3": "away"}) == {"kst-3 objects in its HSM": "away"}


def test_the_files_declare_them_without_a_block_and_say_whose_material_may_be_known() -> None:
    objects = [found("01", "old", never_left=False), found("02", "new"), found("03", problem="no", never_left=False)]
    texts = files(take(held(), Wanted(hsm_objects=objects)), {"embedded": {"path": "/e"}})
    assert "hsm_object: '01'" in texts["keys.yaml"]
    assert "key.old" not in texts["import.yaml"].partition("import:")[2]
    assert "# Worth knowing:\n# - key.old stands for an object that was brought into its token" in texts["import.yaml"]
    assert "key.new stands" not in texts["import.yaml"]
    assert remarks(objects, {}) == ()


def test_where_an_instance_is_left_out_another_that_reaches_the_token_takes_its_objects() -> None:
    (vault,) = held().others
    theirs = replace(vault, identity="kst-0", owner="9a9a/instance.vault/t")
    objects = [replace(found("01"), instance="kst-0")]
    both = take(replace(held(), others=(theirs, vault)), Wanted(hsm_objects=objects))
    assert [one.written["instance"] for one in both.objects if one.made] == ["hardware"]
    alone = take(replace(held(), others=(theirs,)), Wanted(hsm_objects=objects))
    assert [one.reason for one in alone.left_out if "object" in one.identity] == ["its instance kst-0 is left out"]


def test_texts_that_others_take_for_numbers_are_quoted() -> None:
    objects = [found(name) for name in ("09", "1e51", "10", "0e12", "ab")]
    text = files(take(held(), Wanted(hsm_objects=objects)), {"embedded": {"path": "/e"}})["keys.yaml"]
    for name in ("09", "1e51", "10", "0e12"):
        assert f"hsm_object: '{name}'" in text
    assert "hsm_object: ab" in text
