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
from cutover.plan.phases import PHASES

MEASURED = 5  # runs that an ETA is measured by, the newest ones
SEARCHED = 30  # run directories that are searched for them


@dataclass(frozen=True)
class RunDurations:
    """What one confirmed run took: the number of its batches, and for each phase the seconds from its first start to the end."""

    batches: int
    rest: dict[str, float]


def measured(records: Sequence[Record]) -> RunDurations | None:
    """What a run took; None where it did not go through all phases at once and to its end."""
    kinds = [record.kind for record in records]
    if kinds.count("run.started") != 1 or "confirmed" not in kinds or "resumed" in kinds:
        return None
    end = [record.at for record in records if record.kind == "confirmed"][-1]
    rest: dict[str, float] = {}
    for record in records:
        if record.kind == "phase.started":
            rest.setdefault(record.phase, between(record.at, end))
    whole = all(phase.name in rest for phase in PHASES)
    return RunDurations(kinds.count("batch.started"), rest) if whole else None


def eta(earlier: Sequence[RunDurations], phase: str, batches: int) -> Eta | None:
    """How long a run of so many batches takes from the first start of a phase on; None: no run to measure by."""
    alike = [run.rest[phase] for run in earlier if run.batches == batches]
    return Eta(median(alike), len(alike)) if alike else None


def earlier_runs(runs: RunDirs, environment: str, service: str) -> list[RunDurations]:
    """What the newest runs of a service in an environment took that went through all phases."""
    found: list[RunDurations] = []
    for path in sorted(runs.root.glob("*/journal.jsonl"), reverse=True)[:SEARCHED]:
        try:
            records = read(path)
        except UsageError:  # its chain is broken: `report` says so, and nothing is measured by it
            continue
        created = next((record.data for record in records if record.kind == "run.created"), {})
        if (created.get("environment"), created.get("service")) == (environment, service):
            found += filter(None, [measured(records)])
        if len(found) == MEASURED:
            break
    return found
