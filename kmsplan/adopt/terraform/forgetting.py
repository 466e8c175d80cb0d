"""What lets Terraform forget the resources that were converted: it changes Terraform's state, and nothing else."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Final

from kmsplan.kms.naming import ALIAS_PREFIX
from kmsplan.report.escape import escape

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from kmsplan.adopt.inventory import Inventory

FILE: Final = "terraform-state-rm.sh"
_HEAD: Final = """\
#!/bin/sh
# Run this in Terraform's folder once kmsplan apply has adopted the keys, and take their blocks out of the *.tf files.
# It changes Terraform's state alone; kmsplan manages these from then on.
set -eu
"""


def script(inventory: Inventory, places: Mapping[str, str]) -> str:
    """Return a shell script.

    Args:
        inventory: what is declared.
        places: by identity, Terraform's addresses.
    """
    identities = {one.identity for one in inventory.objects}
    identities |= {f"{ALIAS_PREFIX}{name}" for one in inventory.objects for name in one.written.get("aliases", ())}
    return _HEAD + "".join(_lines(sorted(place for identity, place in places.items() if identity in identities)))


def _lines(places: list[str]) -> Iterator[str]:
    """Yield a command for each; an address that does not show what it is stays a remark, to be typed by hand."""
    for place in places:
        plain = escape(place)
        yield f"terraform state rm {shlex.quote(place)}\n" if plain == place else f"# by hand: {plain}\n"
