"""Facts about an engine, for people and for monitoring; nothing secret is among them."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from kmsplan.engine import moment
from kmsplan.engine.keystore import accesskey as access_keys
from kmsplan.engine.keystore import key as keys
from kmsplan.engine.keystore import listing, schema, setting, trail
from kmsplan.engine.keystore import version as versions
from kmsplan.engine.sealing import kind_of, token_of

if TYPE_CHECKING:
    from kmsplan.engine.core import Core


_LATE_SECONDS: Final = 600
"""The schedule looks each minute, and at once where it knows that something is due."""


def status(core: Core) -> dict[str, Any]:
    """Return the facts, ready for JSON."""
    with core.store.read() as db:
        settings = setting.load_all(db)
        head, counts = trail.head(db), listing.counts(db)
        instances = len(listing.rows(db, "instance", None))
        callers, term = access_keys.counts(db), max(setting.terms(db), default=0)
        older = versions.count_before(db, term)
        late = keys.late(db, moment.later(core.now(), -_LATE_SECONDS))
    crowd, backup = core.store.crowd(), settings.get(setting.BACKUP, b"").decode() or None
    return {
        "engine": core.identity.engine_id,
        "path": str(core.folder),
        "keystore": core.store.name,
        "database": core.store.kind,
        "nodes": crowd.nodes,
        "machines": crowd.machines if crowd.nodes else 0,
        "scheduler_runs": crowd.led,
        "late": late,
        "region": core.identity.region,
        "account": core.identity.account,
        "created": settings["created"].decode(),
        "schema_version": schema.VERSION,
        "seal": kind_of(settings["seal"]),
        "seal_token": token_of(settings["seal"]),
        "sealed": setting.SEALED in settings if core.presence is None else core.keyring is None,
        "keyring_term": term,
        "rewrapping": setting.REWRAPPED in settings,
        "versions_of_older_terms": older,
        "instances": instances,
        "keys": counts,
        "access_keys": callers,
        "audit_entries": head.seq,
        "audit_head": head.hash.hex(),
        "audit_signed_up_to": head.checkpoint,
        "last_backup": backup,
        "last_backup_age_seconds": _age(core, backup),
    }


def _age(core: Core, backup: str | None) -> int | None:
    return None if backup is None else int((core.world.clock() - datetime.fromisoformat(backup)).total_seconds())
