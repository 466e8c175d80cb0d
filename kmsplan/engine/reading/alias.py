"""ListAliases and ListAliasesByKeyId."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kmsplan.engine.reading.paging import SIZE, Selection, fetch
from kmsplan.engine.reading.question import asked
from kmsplan.engine.reading.view import AliasView, Page

if TYPE_CHECKING:
    from kmsplan.engine.caller import Caller
    from kmsplan.engine.core import Core


def list_aliases(
    core: Core, caller: Caller, page: int = 1, size: int = SIZE, *, key: str | None = None
) -> Page[AliasView]:
    """List aliases in the order of their names: all, or those of a key.

    Raises:
        KmsError: there is no such key, the page is not valid, or it is forbidden.
    """
    with asked(core, caller, "ListAliases" if key is None else "ListAliasesByKeyId", key) as question:
        wanted = () if key is None else (question.key_by_id(key).key_id,)
        source = "alias WHERE key_id = ?" if wanted else "alias"
        rows, total = fetch(question.db, Selection("alias, key_id", source, "alias", wanted), page, size)
        items = tuple(AliasView(alias, question.arn(alias), key_id) for alias, key_id in rows)
    return Page(items, page, size, total)
