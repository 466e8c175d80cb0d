from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from kmsplan.kms.backoff import TRIES
from kmsplan.provider.alibaba.failure import REPEATED, UNREADABLE, CallError, answered
from kmsplan.provider.alibaba.limiter import Limiter
from kmsplan.provider.alibaba.reads import LISTINGS, PAGE, Reads, Row
from kmsplan.provider.watch import Unwatched

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kmsplan.provider.watch import Watch


class _Line:
    """A channel that answers as it is told, and counts."""

    def __init__(self, answer: Callable[[int, dict[str, Any]], Row]) -> None:
        self._answer = answer
        self.calls = 0

    def call(self, action: str, query: Mapping[str, Any], **where: Any) -> Row:
        del action, where
        self.calls += 1
        return self._answer(self.calls, dict(query))

    def close(self) -> None:
        pass


def reads(line: _Line, slept: list[float] | None = None, watch: Watch | None = None) -> Reads:
    waited = [] if slept is None else slept
    limiter = Limiter(lambda: 0.0, lambda _: None, {})
    return Reads(line, limiter, region="cn-hangzhou", entropy=bytes, sleep=waited.append, watch=watch)


class _Watch(Unwatched):
    def __init__(self) -> None:
        self.told: list[tuple[object, ...]] = []

    def progress(self, done: int, total: int) -> None:
        self.told.append((done, total))

    def retried(self, action: str, code: str, seconds: float) -> None:
        self.told.append((action, code, seconds))


def refusal(code: str, status: int = 400, wait: float = 0.0) -> CallError:
    return answered(status, {"Code": code, "RequestId": "r"}, action="ListKeys", wait=wait)


def failing(error: CallError, times: int) -> Callable[[int, dict[str, Any]], Row]:
    def answer(call: int, query: dict[str, Any]) -> Row:
        del query
        if call <= times:
            raise error
        return {"answer": call}

    return answer


@pytest.mark.parametrize("code", ["Throttling", "Rejected.Throttling", "InternalFailure", REPEATED])
def test_what_passes_is_asked_again(code: str) -> None:
    assert reads(_Line(failing(refusal(code), TRIES - 1))).ask("DescribeKey", {}) == {"answer": TRIES}


def test_attempts_are_bounded() -> None:
    line = _Line(failing(refusal("Throttling"), 1000))
    with pytest.raises(CallError, match="Throttling"):
        reads(line).ask("DescribeKey", {})
    assert line.calls == TRIES


def test_what_stays_is_asked_once() -> None:
    line = _Line(failing(refusal("Forbidden.KeyNotFound", 404), 1000))
    with pytest.raises(CallError, match="KeyNotFound"):
        reads(line).ask("DescribeKey", {})
    assert line.calls == 1


def test_the_kms_is_left_alone_as_long_as_it_says() -> None:
    slept: list[float] = []
    reads(_Line(failing(refusal("Throttling", wait=7.0), 1)), slept).ask("DescribeKey", {})
    assert slept == [7.0]


def test_who_wants_to_be_left_alone_for_long_is_not_waited_for() -> None:
    slept: list[float] = []
    line = _Line(failing(refusal("Throttling", wait=86_400.0), 1))
    with pytest.raises(CallError, match="Throttling"):
        reads(line, slept).ask("DescribeKey", {})
    assert (line.calls, slept) == (1, [])


def test_whoever_looks_on_hears_of_every_other_attempt() -> None:
    watch = _Watch()
    reads(_Line(failing(refusal("Throttling", wait=7.0), 2)), watch=watch).ask("DescribeKey", {})
    assert watch.told == [("DescribeKey", "Throttling", 7.0)] * 2


def test_whoever_looks_on_hears_of_every_object_once() -> None:
    watch = _Watch()
    names = [f"key-{number}" for number in range(50)]
    found = reads(_Line(lambda call, _: {"answer": call}), watch=watch).objects(str.upper, names)
    assert found == [name.upper() for name in names]
    assert sorted(watch.told) == [(done, 50) for done in range(1, 51)]


def entries(answer: Row) -> list[Row]:
    return list(answer["Keys"])


def page(names: list[int], number: int, total: int | None = None) -> Row:
    shown = names[(number - 1) * PAGE : number * PAGE]
    return {"Keys": [{"KeyId": name} for name in shown], "TotalCount": len(names) if total is None else total}


@pytest.mark.parametrize("size", [0, 1, PAGE, PAGE + 1, 3 * PAGE + 7])
def test_a_list_is_read_whole_page_by_page(size: int) -> None:
    names = list(range(size))
    line = _Line(lambda _, query: page(names, query["PageNumber"]))
    found = reads(line).pages("ListKeys", entries, "KeyId")
    assert [row["KeyId"] for row in found] == names
    assert line.calls == max(1, -(-size // PAGE))


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"Keys": []}, id="no count"),
        pytest.param({"TotalCount": "many", "Keys": []}, id="a count that is none"),
        pytest.param({"TotalCount": 1, "Keys": [{}]}, id="an entry without its id"),
        pytest.param({"TotalCount": 1, "Keys": [7]}, id="an entry that is a number"),
        pytest.param({"TotalCount": 1, "Keys": 7}, id="entries that are a number"),
    ],
)
def test_an_answer_that_is_no_list_is_not_taken_for_an_empty_one(answer: Row) -> None:
    with pytest.raises(CallError) as found:
        reads(_Line(lambda *_: answer)).pages("ListKeys", entries, "KeyId")
    assert found.value.code == UNREADABLE
    assert "ListKeys was answered in another form than the API's" in found.value.message


def test_a_list_that_shrank_while_it_was_read_is_read_again() -> None:
    """An entry on the first page goes, and the first of the second page slips onto the page that was read."""
    before, after = list(range(PAGE + 1)), list(range(1, PAGE + 1))
    line = _Line(lambda call, query: page(before if call == 1 else after, query["PageNumber"], PAGE + 1))
    with pytest.raises(CallError, match=f"{LISTINGS} times in a row"):
        reads(line).pages("ListKeys", entries, "KeyId")
    calm = _Line(lambda call, query: page(after, query["PageNumber"], PAGE + 1 if call == 1 else None))
    assert len(reads(calm).pages("ListKeys", entries, "KeyId")) == PAGE


def test_the_first_failure_of_many_reads_ends_them() -> None:
    def read(item: int) -> int:
        if item == 3:
            raise refusal("Forbidden.NoPermission", 403)
        return item

    reader = reads(_Line(lambda *_: {}))
    assert reader.each(read, (0, 1, 2)) == [0, 1, 2]
    with pytest.raises(CallError, match="NoPermission"):
        reader.each(read, range(100))
