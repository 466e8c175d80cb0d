from __future__ import annotations

from typing import Any

import pytest

from kmsplan.kms.trail import Event, identity_in
from kmsplan.provider.trail import EntryError, exported, from_engine, newest_first, recorded

ENTRY = {
    "action": "DisableKey",
    "actor": "ada@desk",
    "parameters": {"KeyId": "key-1"},
    "request_id": "r1",
    "resource": "key-1",
    "result": "OK",
    "source": "10.0.0.1",
    "time": "2026-01-01T00:00:00Z",
    "seq": 7,
    "previous": "",
}
EVENT = {
    "eventId": "e1",
    "eventVersion": 1,
    "eventName": "DisableKey",
    "eventTime": "2026-01-01T08:00:00+08:00",
    "eventSource": "kms.cn-hangzhou.aliyuncs.com",
    "serviceName": "Kms",
    "requestId": "r1",
    "requestParameters": {"KeyId": "key-1", "HostId": "kms.cn-hangzhou.aliyuncs.com"},
    "sourceIpAddress": "10.0.0.1",
    "userIdentity": {"type": "ram-user", "principalId": "2881", "accountId": "1", "userName": "ada@desk"},
}
EXPECTED = Event(
    action="DisableKey",
    subjects=frozenset({"key-1"}),
    actor="ada@desk",
    time="2026-01-01T00:00:00Z",
    request_id="r1",
    source="10.0.0.1",
)


def test_both_trails_tell_the_same() -> None:
    assert from_engine(ENTRY) == exported(ENTRY) == recorded(EVENT) == EXPECTED


@pytest.mark.parametrize(
    ("name", "identity"),
    [
        ("key-1", "key-1"),
        ("acs:kms:cn-hangzhou:1:key/key-1", "key-1"),
        ("acs:kms:cn-hangzhou:1:alias/orders", "alias/orders"),
        ("acs:kms:cn-hangzhou:1:keystore/kst-1", "kst-1"),
        ("alias/orders", "alias/orders"),
        ("", ""),
    ],
)
def test_an_arn_means_the_identity_in_it(name: str, identity: str) -> None:
    assert identity_in(name) == identity


@pytest.mark.parametrize(
    ("said", "subjects"),
    [
        ({"requestParameters": None, "requestParameterJson": '{"KeyId": "key-2"}'}, {"key-2"}),
        ({"requestParameters": {"ResourceId": ["key-2", "key-3"]}}, {"key-2", "key-3"}),
        ({"requestParameters": {"ResourceId": '["key-2", "key-3"]'}}, {"key-2", "key-3"}),
        ({"requestParameters": {"ResourceId.1": "key-2", "ResourceId.2": "key-3"}}, {"key-2", "key-3"}),
        ({"requestParameters": {"ResourceId": "[broken"}}, set()),
        ({"requestParameters": {"AliasName": "alias/a", "KeyId": "key-2"}}, {"alias/a", "key-2"}),
        ({"requestParameters": {}, "resourceName": "key-2;alias/a"}, {"key-2", "alias/a"}),
        ({"requestParameters": {}, "referencedResources": {"ACS::KMS::Key": ["key-2"]}}, {"key-2"}),
        ({"requestParameters": {"KeyId": 7}, "referencedResources": "none"}, set()),
    ],
)
def test_objects_are_found_wherever_they_are_named(said: dict[str, Any], subjects: set[str]) -> None:
    event = recorded({**EVENT, **said})
    assert event is not None
    assert event.subjects == subjects


@pytest.mark.parametrize(
    ("identity", "actor"),
    [
        ({"userName": "ada", "principalId": "28"}, "ada"),
        ({"principalId": "28:session", "accountId": "1"}, "28:session"),
        ({"accountId": "1", "type": "root-account"}, "1"),
        ({"type": "system"}, "system"),
        ({}, "unknown"),
        (None, "unknown"),
    ],
)
def test_an_actor_is_named_as_well_as_the_event_allows(identity: Any, actor: str) -> None:
    event = recorded({**EVENT, "userIdentity": identity})
    assert event is not None
    assert event.actor == actor


def test_a_call_that_failed_changed_nothing() -> None:
    assert recorded({**EVENT, "errorCode": "Forbidden.KeyNotFound"}) is None
    assert exported({**ENTRY, "result": "Rejected.Disabled"}) is None
    assert recorded({**EVENT, "errorCode": ""}) is not None


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({**EVENT, "eventTime": "noon"}, "'noon' is no time"),
        ({**EVENT, "eventTime": "0001-01-01T00:00:00+14:00"}, "is no time"),
        ({**EVENT, "eventTime": None}, "eventTime is missing"),
        ({**EVENT, "eventName": 7}, "eventName is no text"),
        ({**EVENT, "requestParameters": [1]}, "requestParameters is no object"),
        ({**EVENT, "requestParameters": "{"}, "requestParameterJson is not JSON"),
    ],
)
def test_an_event_of_another_form_is_refused(entry: dict[str, Any], words: str) -> None:
    with pytest.raises(EntryError, match=words):
        recorded(entry)


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({**ENTRY, "actor": None}, "actor is missing"),
        ({**ENTRY, "time": "noon"}, "is no time"),
        ({**ENTRY, "parameters": "KeyId"}, "parameters is no object"),
    ],
)
def test_an_exported_entry_of_another_form_is_refused(entry: dict[str, Any], words: str) -> None:
    with pytest.raises(EntryError, match=words):
        exported(entry)


def test_of_two_events_in_one_second_the_later_in_the_file_is_the_newer() -> None:
    first, second, older = (
        Event(action="a", subjects=frozenset(), actor=actor, time=time, request_id="", source="")
        for actor, time in [("1", "2026-01-02T00:00:00Z"), ("2", "2026-01-02T00:00:00Z"), ("3", "2026-01-01T00:00:00Z")]
    )
    assert [event.actor for event in newest_first([first, second, older])] == ["2", "1", "3"]
