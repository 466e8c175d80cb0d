"""`kmsplan engine service-key`: play the cloud service that makes a key of its own."""

from __future__ import annotations

import click

from kmsplan.cli import kms
from kmsplan.cli.options import Variables, variable_options
from kmsplan.cli.session import Session, pass_session


@click.command("service-key")
@click.argument("service", required=False)
@click.option("--migrated", metavar="UUID", help="Register a key that was migrated from KMS 1.0 instead; read-only.")
@variable_options
@pass_session
def service_key(session: Session, service: str | None, migrated: str | None, variables: Variables) -> None:
    """Make the key of cloud service SERVICE, with its alias alias/acs/SERVICE, as the service itself would.

    Such a key is declared under `service_keys`, and its users read and tag it. With --migrated the key has the given
    id and no material; without SERVICE it is a default CMK of KMS 1.0.
    """
    if service is None and migrated is None:
        raise click.UsageError("Missing argument 'SERVICE', or the option --migrated.")
    with kms.opened(session, variables) as engine:
        keys = engine.service_keys
        made = keys.make(str(service)) if migrated is None else keys.register(migrated, service)
    session.say(made)
