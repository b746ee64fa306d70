"""How long the rest of a run takes, by the median of earlier runs of the environment; unknown where there was none."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from cutover.core.errors import UsageError
from cutover.core.times import between
from cutover.journal.journal import read
from cutover.journal.record import Record
from cutover.journal.rundir import RunDirs
from cutover.notify.escalation import Eta
from cutover.plan.phases import COMMITTING, PREPARING

MEASURED = 5  # runs that an ETA is measured by, the newest ones
SEARCHED = 30  # run directories that are searched for them


@dataclass(frozen=True)
class RunDurations:
    """What one confirmed run took, in seconds.

    `preparing`: each of phases 0-2 until the next began. `batch`: one batch from its start to the next, watching it included.
    `into`: how far into the first batch each of phases 3-5 began.
    """

    preparing: dict[str, float]
    batch: float
    into: dict[str, float]


def measured(records: Sequence[Record]) -> RunDurations | None:
    """What a run took; None where it did not go through all phases at once and to its end."""
    begun = [record for record in records if record.kind == "run.started"]
    ended = [record for record in records if record.kind == "confirmed"]
    batches = [record for record in records if record.kind == "batch.started"]
    if len(begun) != 1 or not ended or not batches or any(record.kind == "resumed" for record in records):
        return None
    started: dict[str, str] = {}
    for record in records:
        if record.kind == "phase.started":
            started.setdefault(record.phase, record.at)
    if any(phase.name not in started for phase in (*PREPARING, *COMMITTING)):
        return None
    marks = [*(started[phase.name] for phase in PREPARING), batches[0].at]
    preparing = {phase.name: between(marks[n], marks[n + 1]) for n, phase in enumerate(PREPARING)}
    into = {phase.name: between(batches[0].at, started[phase.name]) for phase in COMMITTING}
    return RunDurations(preparing, between(batches[0].at, ended[-1].at) / len(batches), into)


def eta(earlier: Sequence[RunDurations], phase: str, batches: int) -> Eta | None:
    """How long a run of so many batches takes from the start of a phase (of its first batch) on; None: no run to measure by."""
    if not earlier:
        return None
    return Eta(median(_rest(run, phase, batches) for run in earlier), len(earlier))


def _rest(run: RunDurations, phase: str, batches: int) -> float:
    committing = run.batch * batches
    names = [one.name for one in PREPARING]
    if phase in names:
        return sum(run.preparing[name] for name in names[names.index(phase) :]) + committing
    return max(0.0, committing - run.into.get(phase, 0.0))


def earlier_runs(runs: RunDirs, environment: str, service: str) -> list[RunDurations]:
    """What the newest runs of a service in an environment took that went through all phases."""
    found: list[RunDurations] = []
    for path in sorted(runs.root.glob("*/journal.jsonl"), reverse=True)[:SEARCHED]:
        try:
            records = read(path)
        except UsageError:  # its chain is broken: `report` says so, and nothing is measured by it
            continue
        created = next((record.data for record in records if record.kind == "run.created"), {})
        if (created.get("environment"), created.get("service")) == (environment, service) and (
            run := measured(records)
        ) is not None:
            found.append(run)
        if len(found) == MEASURED:
            break
    return found
