from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from kmsplan import __version__
from kmsplan.plan.planfile import PlanFileError, digest, dump, load

if TYPE_CHECKING:
    from tests.unit.plan.conftest import Small


def rewritten(data: bytes, **changes: Any) -> bytes:
    """As somebody would who knows JSON and not the digest."""
    return orjson.dumps({**json.loads(data), **changes}, option=orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE)


def test_a_plan_comes_back_as_it_was(fresh: Small) -> None:
    plan = fresh.plan()
    assert load(dump(plan)) == plan


def test_unchanged_objects_are_left_out(small: Small) -> None:
    plan = small.plan()
    assert len(plan.unchanged) == 3
    assert load(dump(plan)) == dataclasses.replace(plan, unchanged=())
    assert len(dump(plan)) < 720


def test_equal_plans_have_equal_bytes_and_digests(fresh: Small) -> None:
    assert dump(fresh.plan()) == dump(fresh.plan())
    assert digest(fresh.plan()) == json.loads(dump(fresh.plan()))["digest"]


def test_who_saved_a_plan_is_in_the_file_and_not_in_the_digest(fresh: Small) -> None:
    plan = fresh.plan()
    ada, bob = (dataclasses.replace(plan, author=author) for author in ("ada@laptop", "bob@desk"))
    assert load(dump(ada)).author == "ada@laptop"
    assert dump(ada) != dump(bob)
    assert digest(ada) == digest(bob) == digest(plan) == digest(load(dump(ada)))


def test_an_edited_author_is_refused(fresh: Small) -> None:
    data = dump(dataclasses.replace(fresh.plan(), author="ada@laptop"))
    for edited in (data.replace(b"ada@", b"bob@"), rewritten(data, author=None), rewritten(data, checksum=None)):
        with pytest.raises(PlanFileError, match="edited or damaged"):
            load(edited)


def test_a_field_that_nobody_knows_is_refused(fresh: Small) -> None:
    with pytest.raises(PlanFileError, match="edited or damaged"):
        load(rewritten(dump(fresh.plan()), note="looks good"))


def test_the_file_says_what_made_it(fresh: Small) -> None:
    document = json.loads(dump(fresh.plan()))
    assert (document["format_version"], document["kmsplan_version"]) == (1, __version__)
    assert document["variables"] == {"env": "dev"}


def test_an_edited_value_is_refused(fresh: Small) -> None:
    with pytest.raises(PlanFileError, match="digest"):
        load(dump(fresh.plan()).replace(b"payments", b"billings"))


def test_an_edited_allowance_is_refused(fresh: Small) -> None:
    with pytest.raises(PlanFileError, match="digest"):
        load(rewritten(dump(fresh.plan()), allow_delete=99))


def test_another_spelling_of_the_same_is_refused(fresh: Small) -> None:
    with pytest.raises(PlanFileError, match="digest"):
        load(json.dumps(json.loads(dump(fresh.plan()))).encode())


@pytest.mark.parametrize("size", [0, 1, 100])
def test_a_truncated_file_is_refused(fresh: Small, size: int) -> None:
    with pytest.raises(PlanFileError, match="truncated or damaged"):
        load(dump(fresh.plan())[:size])


@pytest.mark.parametrize("data", [b"null\n", b"[]\n", b'{"a":1}\n', b'{"format_version":"1"}\n'])
def test_another_file_is_refused(data: bytes) -> None:
    with pytest.raises(PlanFileError, match="not a saved plan"):
        load(data)


def test_a_newer_format_is_refused_by_name(fresh: Small) -> None:
    with pytest.raises(PlanFileError, match=r"format version 2, made by kmsplan 9\.9"):
        load(rewritten(dump(fresh.plan()), format_version=2, kmsplan_version="9.9"))


def test_an_unknown_operation_with_a_right_digest_is_refused(fresh: Small) -> None:
    body = json.loads(dump(fresh.plan()))
    body["changes"][0]["steps"][0]["operation"] = "DropTable"
    author = body.pop("author")
    del body["digest"], body["checksum"]
    document = {**body, "author": author, "digest": _sha256(body)}
    forged = orjson.dumps(
        {**document, "checksum": _sha256(document)}, option=orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE
    )
    with pytest.raises(PlanFileError, match="DropTable"):
        load(forged)


def _sha256(body: dict[str, Any]) -> str:
    import hashlib  # noqa: PLC0415 - for this forgery alone

    return hashlib.sha256(orjson.dumps(body, option=orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE)).hexdigest()
