"""`kmsplan init`: a starter configuration in an empty folder."""

from __future__ import annotations

import json
from typing import Final

import click

from kmsplan.cli.failure import UserError
from kmsplan.cli.session import Session, pass_session

STARTER: Final = """\
# yaml-language-server: $schema=./.kmsplan/configuration.json
kmsplan: 1
engine: {embedded: {path: state/engine}}
state: {local: {path: state}}

instances:
  core: {type: software}

keys:
  orders:
    instance: core
    rotation: 90d
    aliases: [orders]
    tags: {team: payments}
"""
IGNORE: Final = "/state/\n"


@click.command()
@pass_session
def init(session: Session) -> None:
    """Write a starter configuration into an empty folder."""
    from kmsplan.config.schema import configuration_schema  # noqa: PLC0415 - only this command needs it

    root = session.directory
    present = [path.name for pattern in ("*.yaml", "*.yml") for path in root.glob(pattern)] if root.exists() else []
    if present:
        raise UserError(
            f"{root} already holds a configuration ({min(present)})",
            "init never changes one. Choose an empty folder: kmsplan -C NEW-FOLDER init",
        )
    (root / ".kmsplan").mkdir(parents=True, exist_ok=True)
    (root / ".kmsplan" / "configuration.json").write_text(json.dumps(configuration_schema(), indent=2) + "\n")
    (root / "kmsplan.yaml").write_text(STARTER)
    if not (root / ".gitignore").exists():
        (root / ".gitignore").write_text(IGNORE)
    session.say(f"Wrote {root / 'kmsplan.yaml'}.")
    session.hint("Next: kmsplan validate, then kmsplan plan.")
