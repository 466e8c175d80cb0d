"""Who has an engine open that is in PostgreSQL."""

from __future__ import annotations

import os
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

from kmsplan.engine.keystore.postgres.database import PostgresDatabase
from kmsplan.kms.secret import SecretBytes

if TYPE_CHECKING:
    from pathlib import Path

    from tests.postgres import PostgresServer


def test_nodes_that_share_no_folder_are_told_apart_though_all_come_from_one_address(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    url = postgres.url(
        postgres.new_schema(), application_name="a-name-as-long-as-PostgreSQL-keeps-names-at-all-and-longer"
    )
    one, other = tmp_path / "one", tmp_path / "other"
    with ExitStack() as open_:
        for folder in (one, one, other):
            folder.mkdir(exist_ok=True)
            place = PostgresDatabase(SecretBytes(url.encode()), folder)
            assert open_.enter_context(closing(place.presence(os.urandom))).node_id
        db = open_.enter_context(closing(place.connect(writes=False)))
        crowd = place.crowd(db)
    assert (crowd.nodes, crowd.machines) == (3, 2)
