"""What was to be reached with the KPIs, and what the seeds reached, beside what was measured."""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.kpis.jobs import FLOORS, NAMES, OURS
from bench.kpis.large import Large
from bench.kpis.measure import JobResult, KpiRow
from bench.kpis.service import ServiceFigures

FLAT_MB = 200.0
FLAT = 1.25  # times what a tenth of the size takes


@dataclass(frozen=True)
class Aim:
    """One figure in words, the aim in words, whether it is met, what the seeds had."""

    what: str
    measured: str
    aim: str
    is_met: bool
    seeds: str = ""

    @property
    def met(self) -> str:
        """In a word."""
        return "yes" if self.is_met else "**no**"


def against(measured: Sequence[JobResult], large: Sequence[Large], service: ServiceFigures) -> list[Aim]:
    """Every aim of the KPIs, in the order of the tables."""
    return [*filter(None, map(_job, measured)), _flat(large), *_service(service)]


def _job(measured: JobResult) -> Aim | None:
    job, ours = measured.job, measured.ours
    if job.most_seconds is not None:
        aim = f"< {job.most_seconds * 1e3:g} ms"
        found = f"{ours.median * 1e3:.2f} ms"
        return Aim(
            f"{job.words}, all KPIs and checks", found, aim, ours.median < job.most_seconds, "0.65 ms, bare sums"
        )
    if job.least_rows_a_second is not None:
        speed = job.rows / ours.median
        found = f"{speed / 1e6:.1f} M rows/s; {_plain(measured)}"
        aim = f">= {job.least_rows_a_second / 1e6:g} M rows/s"
        is_met = speed >= job.least_rows_a_second
        return Aim(f"{job.words}, exact sums", found, aim, is_met, "1.5 M rows/s, plain sums")
    return _ratio(measured) if job.most_ratio is not None else None


def _floor(measured: JobResult) -> KpiRow:
    (floor,) = (row for row in measured.rows if row.contender in FLOORS)
    return floor


def _plain(measured: JobResult) -> str:
    floor = _floor(measured)
    return f"{measured.ours.median / floor.median:.1f} x {NAMES[floor.contender]}"


def _ratio(measured: JobResult) -> Aim:
    job, ours, floor = measured.job, measured.ours, _floor(measured)
    aim = f"<= {job.most_ratio:g} x the fastest of three"
    found = f"{ours.ratio:.2f} x ({_plain(measured)}, which takes {floor.ratio:.2f} x)"
    return Aim(f"{job.words}, {NAMES[OURS]}", found, aim, ours.ratio <= (job.most_ratio or 0))


def _flat(large: Sequence[Large]) -> Aim:
    peaks = ", ".join(f"{one.peak_mb:.0f} MB at {one.gb:.1f} GB" for one in large)
    first, last = large[0].peak_mb, large[-1].peak_mb
    is_met = last < FLAT_MB and last < first * FLAT
    return Aim("large CSV, repeated loans found", peaks, f"< {FLAT_MB:g} MB, flat", is_met)


def _service(seen: ServiceFigures) -> list[Aim]:
    ratio = seen.ready / seen.import_pandas
    ready = f"{seen.ready:.2f} s, {ratio:.2f} x `import pandas`"
    return [
        Aim("a tape of 1 000 rows from inbox to done", f"{seen.tape * 1e3:.1f} ms", "< 20 ms", seen.tape < 0.020),
        Aim("the service, from its start to ready", ready, "< 1.5 x `import pandas`", ratio < 1.5),
        Aim("the service's memory afterwards", f"{seen.memory_mb:.0f} MB", "< 105 MB", seen.memory_mb < 105, "105 MB"),
    ]
