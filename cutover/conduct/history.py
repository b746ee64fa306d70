"""Which run is meant, and what is known of it: from this machine's run directories, or from what the hosts hold."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cutover.conduct.fleet import Fleet
from cutover.conduct.targets import Targets
from cutover.decide.phases import COMMITTING, ROLLBACK
from cutover.decide.plan import HostPlan
from cutover.words.errors import Problem, UsageError
from cutover.words.step import State
from cutover.world.rundir import RunDir, RunDirs

ASK_S = 30.0


@dataclass(frozen=True)
class Known:
    """A run as the hosts remember it: the plan of each host, and what was begun there."""

    run: str
    plans: Mapping[str, HostPlan]
    statuses: Mapping[str, State]

    @property
    def touched(self) -> tuple[str, ...]:
        """Hosts on which phases 3-5 were begun, in order."""
        return tuple(name for name in self.plans if self._batches(name, [phase.name for phase in COMMITTING]))

    @property
    def owed(self) -> tuple[str, ...]:
        """Touched hosts whose way back has not been completed, by a rollback or by the host itself."""
        return tuple(name for name in self.touched if not self._is_back(name))

    def entry(self, name: str) -> State | None:
        """What a host remembers of this run."""
        found: State | None = next((entry for entry in self.statuses[name]["runs"] if entry["run"] == self.run), None)
        return found

    def _batches(self, name: str, phases: list[str]) -> list[str]:
        entry = self.entry(name) or {"batches": []}
        return [batch for batch in entry["batches"] if batch.rpartition("-")[0] in phases]

    def _is_back(self, name: str) -> bool:
        entry: Mapping[str, Any] = self.entry(name) or {}
        reverted = (entry.get("reverted") or {}).get("ok") is True
        return reverted or (entry.get("state") or {}).get("status") == ROLLBACK.name


def ask(fleet: Fleet) -> dict[str, State]:
    """What every host says of its lease, its armed revert, its runs."""
    return fleet.every(lambda agent: agent.status(), deadline=ASK_S)


def known_run(targets: Targets, fleet: Fleet, runs: RunDirs, run: str) -> Known | None:
    """The run that is named, else the last one of this environment; None where neither this machine nor a host knows one."""
    statuses = ask(fleet)
    on_hosts = sorted({entry["run"] for status in statuses.values() for entry in status["runs"]}, reverse=True)
    local = runs.last(targets.environment) if not run else None
    chosen = run or next((name for name in ([local.id] if local else []) if name in on_hosts), None) or next(iter(on_hosts), None)
    if chosen is None:
        return None
    holding = [name for name in targets.names if any(entry["run"] == chosen for entry in statuses[name]["runs"])]
    if not holding:
        raise UsageError(Problem(path="--run", found=f"no host knows run {chosen}; they know {', '.join(on_hosts[:5]) or 'none'}", next="name one of these"))
    kept = fleet.every(lambda agent: agent.plan(chosen), holding, deadline=ASK_S)
    plans = {name: HostPlan.model_validate(plan["host"]) for name, plan in kept.items() if plan is not None}
    return Known(chosen, plans, statuses)


def directory_of(runs: RunDirs, known: Known) -> RunDir:
    """The run's directory on this machine, made anew where this machine never had it (another controller began the run)."""
    directory = RunDir(runs.root / known.run)
    directory.evidence.mkdir(parents=True, exist_ok=True)
    return directory
