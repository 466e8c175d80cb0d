"""Parts of the benchmark that time an engine: served under load, and with keys in a token."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.benchmark.bench import ENVIRON, KMSPLAN, Row, rate

if TYPE_CHECKING:
    from tests.benchmark.bench import Bench

_WANTED: Final = "2x, and a lower p99"


def against_openbao(bench: Bench) -> list[Row]:
    """Serve the wire API under load; OpenBao's transit engine does the same on the same cores, in turn."""
    from tests.benchmark.serving import compare  # noqa: PLC0415 - its peer is installed for it alone

    lines, alone = compare(bench.root, KMSPLAN, ENVIRON, bench.times)
    rows = [Row(line.name, rate(line.ours), rate(line.peer), f"{line.ratio:.1f}x", _WANTED) for line in lines]
    return [*rows, Row("served alone", alone, "-", "-", "an unloaded call under 3 ms")]


def on_postgres(bench: Bench) -> list[Row]:
    """Do the same with the keystore in PostgreSQL."""
    from tests.benchmark.serving import compare_on_postgres  # noqa: PLC0415 - as above; makes a database server

    lines = compare_on_postgres(bench.root, KMSPLAN, ENVIRON, bench.times)
    return [Row(line.name, rate(line.ours), rate(line.peer), f"{line.ratio:.1f}x", "-") for line in lines]


def hardware_keys(bench: Bench) -> list[Row]:
    """Use keys in a token, raw and through the engine's backend."""
    from tests.benchmark import hardware  # noqa: PLC0415 - needs the extra `hsm`

    lines = hardware.compare(bench.root, hardware.make_token(bench.root / "token", ENVIRON), bench.times)
    return [
        Row(
            f"hardware key: {line.name}",
            f"{line.backend:,.0f}/s",
            f"raw PKCS#11: {line.raw:,.0f}/s in one process, {line.raw_most:,.0f}/s in two",
            f"{line.ratio:.2f} of one process",
            "0.8",
        )
        for line in lines
    ]


def stored_keys(bench: Bench) -> list[Row]:
    """Serve an engine that holds few keys, and one that holds many."""
    from tests.benchmark.lasting import size  # noqa: PLC0415 - beside what it is used for

    few, many = (size(bench.root, KMSPLAN, ENVIRON, count) for count in (100, 100_000 if bench.big else 10_000))
    return [
        Row(
            f"serve {one.keys:,} more keys",
            f"listens after {one.start:.2f} s; Encrypt {one.unloaded:.2f} ms, DescribeKey {one.describe:.2f} ms",
            "-",
            "-"
            if one is few
            else f"{one.unloaded / few.unloaded:.2f}x, {one.describe / few.describe:.2f}x of few keys",
            "start under 3 s, calls as fast as with 100",
        )
        for one in (few, many)
    ]


def soaked(bench: Bench) -> list[Row]:
    """Load a served engine for as many minutes as were asked for."""
    from tests.benchmark.lasting import soak  # noqa: PLC0415 - beside what it is used for

    found = soak(bench.root, KMSPLAN, ENVIRON, bench.soak)
    told = f"{found.early:.0f} MiB after a tenth of it, {found.late:.0f} MiB at its end"
    return [
        Row(
            f"{found.requests:,} requests in {found.minutes:.0f} minutes",
            told,
            "-",
            f"{found.late / found.early:.2f}x",
            "flat",
        )
    ]
