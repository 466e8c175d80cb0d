"""Import blocks that take an object over from another configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from .conftest import Load

CORE = "instances: {core: {type: software}}\n"


def test_an_import_block_may_name_the_lineage_that_gives_the_object_up(loaded: Load) -> None:
    plain = loaded(f"{CORE}import: [{{address: instance.core, identity: kst-1}}]\n")
    named = loaded(f"{CORE}import: [{{address: instance.core, identity: kst-1, owner: 9a9a}}]\n")
    assert [block.owner for block in (*plain.imports, *named.imports)] == [None, "9a9a"]
    assert plain.digest != named.digest


@pytest.mark.parametrize("owner", ["", "9A9A", "9a9a/key.orders/t", "a b"])
def test_a_lineage_has_its_form(codes: Callable[..., list[str]], owner: str) -> None:
    assert codes(f"{CORE}import: [{{address: instance.core, identity: kst-1, owner: '{owner}'}}]\n") == ["K204"]
