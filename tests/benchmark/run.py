"""Prints the benchmark table: what was measured, the peer beside it, the ratio, and what is wanted."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.benchmark import commands, engines
from tests.benchmark.bench import Bench

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.benchmark.bench import Row

PARTS: Final[Mapping[str, Callable[[Bench], list[Row]]]] = {
    "start": commands.starting,
    "terraform": commands.against_terraform,
    "apply": commands.large_apply,
    "plans": commands.large_plans,
    "adopt": commands.adopting,
    "inventory": commands.inventories,
    "policy": commands.policies,
    "html": commands.pages,
    "serving": engines.against_openbao,
    "postgres": engines.on_postgres,
    "hardware": engines.hardware_keys,
    "stored": engines.stored_keys,
    "stores": commands.state_stores,
    "records": commands.recorded,
    "journal": commands.journal_cost,
    "reports": commands.report_forms,
}


def main() -> None:
    """Run what was asked for and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default=",".join(PARTS), help=f"some of {', '.join(PARTS)}")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--big", action="store_true", help="also 100,000 keys")
    parser.add_argument("--soak", type=float, default=0.0, metavar="MINUTES", help="also memory under lasting load")
    options = parser.parse_args()
    asked = options.only.split(",")
    parts = [part for name, part in PARTS.items() if name in asked] + [engines.soaked] * bool(options.soak)
    with tempfile.TemporaryDirectory(prefix="kmsplan-benchmark-", ignore_cleanup_errors=True) as folder:
        bench = Bench(root=Path(folder), times=options.repeat, big=options.big, soak=options.soak)
        rows = [row for part in parts for row in part(bench)]
    sys.stdout.write("| work | kmsplan | peer | ratio | wanted |\n|---|---|---|---|---|\n")
    for row in rows:
        sys.stdout.write(f"| {row.work} | {row.figure} | {row.peer} | {row.ratio} | {row.wanted} |\n")


if __name__ == "__main__":
    main()
