"""The tables of a keystore in PostgreSQL."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from kmsplan.engine.keystore import schema
from kmsplan.engine.keystore.postgres import dialect, nonce

if TYPE_CHECKING:
    from kmsplan.engine.keystore.connection import Connection

VERSION: Final = schema.VERSION + 1
"""Format of a keystore here, which has tables of its own besides those of every keystore."""
_MARK: Final = re.compile(r"kmsplan keystore (\d+)")
_TRIGGERS: Final = """
CREATE FUNCTION count_version() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  IF TG_OP = 'INSERT' THEN
    UPDATE instance SET versions = versions + 1 WHERE instance_id = new.instance_id;
  ELSE
    UPDATE instance SET versions = versions - 1 WHERE instance_id = old.instance_id;
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER version_counted AFTER INSERT OR DELETE ON key_version FOR EACH ROW EXECUTE FUNCTION count_version();

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  RAISE integrity_constraint_violation USING MESSAGE = 'the audit trail is append-only';
END $$;
"""
_APPEND_ONLY: Final = """
CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
"""


def lay_out(db: Connection) -> None:
    """Make the tables of a new keystore in the open transaction, and mark them as one."""
    guards = "".join(_APPEND_ONLY.format(table=table) for table in schema.APPEND_ONLY)
    db.execute(dialect.tables(schema.TABLES) + nonce.TABLES + _TRIGGERS + guards)
    db.execute(f"COMMENT ON TABLE setting IS 'kmsplan keystore {VERSION}'")


def mark(db: Connection) -> int | None:
    """Return the format of the keystore in this schema; None where there is none."""
    sql = "SELECT obj_description(to_regclass(quote_ident(current_schema()) || '.setting'), 'pg_class')"
    found = _MARK.fullmatch(db.execute(sql).fetchone()[0] or "")
    return int(found[1]) if found else None
