"""The part of docs/bench.md that is about KPIs."""

from collections.abc import Mapping, Sequence

from bench.kpis.aims import Aim
from bench.kpis.jobs import NAMES
from bench.kpis.large import Large
from bench.kpis.measure import JobResult
from bench.kpis.service import ServiceFigures
from bench.page import Machine, table

HEADING = "# Speed of the KPIs"

HEAD = (
    HEADING
    + """

Written by `./invokew bench --only kpi`; not edited by hand. Measured {at} on {what}; load before it began {load:.2f}. {versions}.
Medians of {rounds}.

All contenders compute the same results from the same input: rows, sums and nulls of nine amounts, the latest date, four KPIs, balances by
age, and where it says so how many rows repeat a loan. Each is a fresh process, its imports are not timed, the file is in the page cache,
the order rotates from round to round. Work in memory is repeated for a second in one process. A result that differs from `math.fsum`'s by
more than 1e-9 ends the bench; this project's must be equal to the last digit. pandas, polars and duckdb are written by hand with plain
sums, in the fastest of their own ways. This project's figure has in it what theirs do not: exact sums, each row's date, range, sign and
buckets checked, row numbers of what is wrong, rows by age, context and states of every KPI.

"""
)

AIMED = """
## The KPIs against the aims

"""

LARGE = """
## Larger than memory

`python -m kpi compute TAPE --json` as a cold process, repeated loans found (their keys are spilled to disk).

"""

SERVICE = """
## The service

As its unit starts it. *A tape* is one of 1 000 rows, from the rename into the inbox until it is seen in done: taken, computed, outputs and
audit trail flushed to disk; the service looks into an empty inbox every 10 ms.

"""


def section(
    machine: Machine,
    versions: Mapping[str, str],
    rounds: int,
    measured: Sequence[JobResult],
    aims: Sequence[Aim],
    large: Sequence[Large],
    service: ServiceFigures,
) -> str:
    """The whole part, from its heading on."""
    listed = ", ".join(f"{name} {value}" for name, value in versions.items())
    counted = f"{rounds} round{'s' if rounds > 1 else ''}"
    head = HEAD.format(at=machine.at, what=machine.what, load=machine.load, versions=listed, rounds=counted)
    rows = [(aim.what, aim.measured, aim.aim, aim.met, aim.seeds) for aim in aims]
    parts = [head, _contenders(measured), AIMED, table(("what", "measured", "aim", "met", "the original"), rows)]
    return "".join([*parts, LARGE, _large(large), SERVICE, _service(service)])


def _contenders(measured: Sequence[JobResult]) -> str:
    heads = ("job", "contender", "median", "fastest", "slowest", "rows/s", "peak memory", "times the fastest peer")
    rows = []
    for one in measured:
        for row in one.rows:
            times = [_time(seconds) for seconds in (row.median, row.least, row.most)]
            speed = f"{one.job.rows / row.median / 1e6:.1f} M"
            rows.append(
                (one.job.words, NAMES[row.contender], *times, speed, f"{row.peak_mb:.0f} MB", f"{row.ratio:.2f}")
            )
    return table(heads, rows)


def _large(large: Sequence[Large]) -> str:
    rows = [
        (f"{one.gb:.1f} GB", f"{one.rows / 1e6:.1f} M", f"{one.seconds:.1f} s", f"{one.peak_mb:.0f} MB")
        for one in large
    ]
    return table(("size", "rows", "seconds", "peak memory"), rows)


def _service(seen: ServiceFigures) -> str:
    rows = [
        ("from its start to ready", _time(seen.ready)),
        ("`import pandas` in the same run", _time(seen.import_pandas)),
        ("Python that does nothing, in the same run", _time(seen.empty)),
        (f"a tape, median of {seen.tapes}", _time(seen.tape)),
        (f"a tape, longest of {seen.tapes}", _time(seen.tape_most)),
        ("one file of 4 kB written and flushed, in the same run", _time(seen.flush)),
        ("memory afterwards", f"{seen.memory_mb:.0f} MB"),
    ]
    return table(("what", "measured"), rows)


def _time(seconds: float) -> str:
    return f"{seconds * 1e3:.3g} ms" if seconds < 1 else f"{seconds:.2f} s"
