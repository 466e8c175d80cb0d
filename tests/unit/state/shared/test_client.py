"""Requests to a state server that come to nothing."""

from __future__ import annotations

import re

import pytest

from kmsplan.state.error import StateAccessError
from kmsplan.state.shared.client import Client


@pytest.mark.parametrize("host", ["a..b", f"{'a' * 64}.example"])
def test_a_host_that_cannot_be_looked_up_is_named(host: str) -> None:
    with pytest.raises(StateAccessError, match=rf"the state server {re.escape(host)}/state cannot be reached"):
        Client(secure=False).send("GET", f"http://{host}/state")
