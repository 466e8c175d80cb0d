"""The tables, and how a connection is set up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import sqlite3

APPLICATION_ID: Final = 0x6B6D7370  # "kmsp"
VERSION: Final = 2
"""PRAGMA user_version; a file with a higher one is refused."""

# Ids may come in any order. So the wide tables are kept in the order of their making, where a new row touches the page
# that the one before it touched, and only the narrow indexes on ids may be written all over the place. They are not for
# new keys, whose ids begin with the time.
TABLES: Final = """
CREATE TABLE setting (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE term (
  term INTEGER PRIMARY KEY,
  wrapped BLOB NOT NULL,                      -- a keyring key under the root key
  created TEXT NOT NULL
) STRICT;

CREATE TABLE instance (
  instance_id TEXT PRIMARY KEY,
  type TEXT NOT NULL,
  spec INTEGER NOT NULL,
  key_quota INTEGER NOT NULL,
  module TEXT,                                -- hardware: PKCS#11 module and token label
  token TEXT,
  deletion_protection INTEGER NOT NULL DEFAULT 0,
  status TEXT NOT NULL,
  versions INTEGER NOT NULL DEFAULT 0,        -- kept by triggers; the quota counts key versions
  details TEXT NOT NULL DEFAULT '{}',         -- JSON: name, networks, why it is protected
  proxy TEXT,                                 -- external: JSON, where the key manager's proxy is
  proxy_secret BLOB,                          -- external: boxed
  created TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE key (
  key_id TEXT PRIMARY KEY,
  instance_id TEXT NOT NULL REFERENCES instance,
  spec TEXT NOT NULL,
  usage TEXT NOT NULL,
  origin TEXT NOT NULL,
  storage_mechanism TEXT,
  state TEXT NOT NULL,
  description TEXT NOT NULL,
  rotation INTEGER,                           -- seconds
  policy TEXT,                                -- JSON; NULL is the default policy
  deletion_protection INTEGER NOT NULL DEFAULT 0,
  creation_date TEXT NOT NULL,
  delete_date TEXT,
  last_rotation_date TEXT,
  next_rotation_date TEXT,
  last_used TEXT,
  primary_version TEXT,                       -- the newest; NULL while there is no material
  creator TEXT NOT NULL,                      -- an account, or the cloud service that owns it
  protection_reason TEXT NOT NULL DEFAULT '',
  material_expires TEXT,                      -- imported material is destroyed then
  material_digest BLOB,                       -- boxed SHA-256 of the first imported material: no other is taken
  external_key_id TEXT,                       -- what the external key manager calls it
  read_only INTEGER NOT NULL DEFAULT 0        -- migrated from KMS 1.0: readable, nothing else
) STRICT;
-- Lists are in the order of ids, and every filter of a list is answered from here, without a look at the wide rows.
CREATE INDEX key_listed ON key (key_id, instance_id, state, spec, usage, creator);
CREATE INDEX key_to_rotate ON key (next_rotation_date) WHERE next_rotation_date IS NOT NULL;
CREATE INDEX key_to_delete ON key (delete_date) WHERE delete_date IS NOT NULL;
CREATE INDEX key_to_expire ON key (material_expires) WHERE material_expires IS NOT NULL;
CREATE UNIQUE INDEX key_standing_for ON key (instance_id, external_key_id) WHERE external_key_id IS NOT NULL;

-- A version can precede or outlive its key: HSM material is made before the key is there, destroyed after it is gone.
CREATE TABLE key_version (
  id INTEGER PRIMARY KEY,
  key_id TEXT NOT NULL,
  version_id TEXT NOT NULL,
  instance_id TEXT NOT NULL REFERENCES instance,
  status TEXT NOT NULL CHECK (status IN ('creating', 'ready', 'destroying')),
  reference BLOB NOT NULL,                    -- CKA_ID of an HSM key; longer: somebody else's object (hsm.attachment)
  public_key BLOB,                            -- wrapped too: an exchanged one would verify and encrypt for others
  generation INTEGER NOT NULL,                -- how often the material was wrapped
  uses INTEGER NOT NULL DEFAULT 0,            -- encryptions, against the limit of AES-GCM
  created TEXT NOT NULL,
  node TEXT,                                  -- who is making it in the HSM
  UNIQUE (key_id, version_id)
) STRICT;
CREATE INDEX version_unsettled ON key_version (instance_id) WHERE status <> 'ready';

CREATE TABLE material (
  version INTEGER PRIMARY KEY REFERENCES key_version,
  term INTEGER NOT NULL REFERENCES term,
  wrapped BLOB NOT NULL
) STRICT;

CREATE TABLE import_token (
  token_id BLOB PRIMARY KEY,                  -- SHA-256 of the token
  key_id TEXT NOT NULL,
  instance_id TEXT NOT NULL,                  -- leads to the HSM, also when the key is gone
  spec TEXT NOT NULL,                         -- of the wrapping key
  algorithm TEXT NOT NULL,
  private_key BLOB,                           -- boxed; NULL where it is in the HSM
  reference BLOB,                             -- CKA_ID of a wrapping key in the HSM
  expires TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE access_key (
  access_key_id TEXT PRIMARY KEY,
  account TEXT NOT NULL,
  "user" TEXT NOT NULL,                       -- quoted: USER is a word of SQL
  role TEXT NOT NULL,
  status TEXT NOT NULL,
  secret BLOB NOT NULL,                       -- boxed: a signature is checked with the secret itself, no hash will do
  created TEXT NOT NULL,
  last_used TEXT,
  expires TEXT                                -- refused from then on: the overlap of a rotation is over
) STRICT, WITHOUT ROWID;

CREATE TABLE alias (alias TEXT PRIMARY KEY, key_id TEXT NOT NULL REFERENCES key) STRICT, WITHOUT ROWID;
CREATE INDEX alias_of_key ON alias (key_id);

CREATE TABLE tag (
  resource_id TEXT NOT NULL,                  -- a key or an instance
  name TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (resource_id, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX tag_by_name ON tag (name, value, resource_id);

CREATE TABLE audit (seq INTEGER PRIMARY KEY, entry BLOB NOT NULL, hash BLOB NOT NULL) STRICT;
CREATE TABLE checkpoint (seq INTEGER PRIMARY KEY, body BLOB NOT NULL, signature BLOB NOT NULL) STRICT;
"""
APPEND_ONLY: Final = ("audit", "checkpoint")
_TRIGGERS: Final = """
CREATE TRIGGER version_made AFTER INSERT ON key_version BEGIN
  UPDATE instance SET versions = versions + 1 WHERE instance_id = new.instance_id;
END;
CREATE TRIGGER version_gone AFTER DELETE ON key_version BEGIN
  UPDATE instance SET versions = versions - 1 WHERE instance_id = old.instance_id;
END;
"""
_GUARD: Final = """
CREATE TRIGGER {table}_no_{verb} BEFORE {verb} ON {table} BEGIN
  SELECT RAISE(ABORT, 'the audit trail is append-only');
END;
"""
# secure_delete overwrites freed cells, so that destroyed material does not stay in the file. The cache (64 MiB) holds
# the indexes of 100,000 keys. A longer WAL (4,000 pages) writes pages that change often less often to the file.
_WRITER: Final = """
PRAGMA synchronous = FULL;
PRAGMA foreign_keys = ON;
PRAGMA secure_delete = ON;
PRAGMA cache_size = -65536;
PRAGMA wal_autocheckpoint = 4000;
"""
_READER: Final = "PRAGMA query_only = ON;"


def lay_out(connection: sqlite3.Connection) -> None:
    """Begin a transaction, make the tables of a new keystore in it, and mark the file as one."""
    guards = "".join(_GUARD.format(table=table, verb=verb) for table in APPEND_ONLY for verb in ("UPDATE", "DELETE"))
    connection.executescript(f"BEGIN; {TABLES} {_TRIGGERS} {guards}")
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {VERSION}")


def prepare(connection: sqlite3.Connection, *, writes: bool) -> None:
    """Set a connection up for the one writer, or for a reader."""
    connection.executescript("PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON;")
    connection.executescript(_WRITER if writes else _READER)
