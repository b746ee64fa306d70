"""`rollback --check` and `abort --check`: which runs would be undone, on which hosts, by which changes. Takes no lease.

The backup that the way back needs is read back as well, file by file: that it is sound is worth knowing before it is needed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cutover.agent.compare import differences
from cutover.core.errors import Problem, Unjudged
from cutover.core.step import State, Step
from cutover.inventory.targets import Targets
from cutover.plan.phases import PHASES, PREPARING, ROLLBACK
from cutover.plan.plan import HostPlan
from cutover.remote.agent import HostAgent
from cutover.remote.fleet import Fleet, failures, reached
from cutover.remote.timeouts import PLAN_LOOK_S
from cutover.run.abort import left_held
from cutover.run.history import CONFIRMED, Known, ask, known_run
from cutover.run.leases import refuse_living_holders, refuse_wrong_nonce
from cutover.run.options import RunOptions
from cutover.run.rollback import leftover_hosts, wants_back

BACKUP = "snapshot"  # the kind of step that leaves what the way back restores


@dataclass(frozen=True)
class HostAhead:
    """One host: where a run has left it, what the way back would change there, and what would be in its way."""

    host: str
    run: str
    stands: str
    would: tuple[str, ...]
    wrong: tuple[Problem, ...] = ()


@dataclass(frozen=True)
class Ahead:
    """What would be done: hosts taken back, run by run; hosts that are only held, by run; and who could not be asked."""

    back: tuple[HostAhead, ...]
    released: Mapping[str, Sequence[str]]
    unknown: tuple[Problem, ...]
    leftover: tuple[Problem, ...] = ()  # hosts of these runs that were not chosen, and would stay on the new release


def foresee(targets: Targets, options: RunOptions) -> Ahead:
    """What `rollback` (with `released`: `abort`) would do now. Raises Locked where another run holds a host, as they would."""
    with reached(targets) as (fleet, unreachable):
        if not fleet.agents:
            raise Unjudged(unreachable)
        meant: list[Known] = []

        def wanted(candidate: Known) -> bool:
            if wants_back(options, candidate):
                meant.append(candidate)
            return False  # all of them: one is undone after the other

        named, silent = known_run(fleet, options.run, wanted)
        if named is not None and wants_back(options, named):
            meant.append(named)
        statuses, _ = ask(fleet)
        refuse_wrong_nonce(statuses, options.steal_lock)
        refuse_living_holders(statuses, options.steal_lock)
        back: list[HostAhead] = []
        left: list[Problem] = []
        unknown = [*unreachable, *silent]
        for known in meant:
            ahead, unread = _of_run(fleet, known)
            back += ahead
            unknown += unread
            left += leftover_hosts(targets, known)
        return Ahead(tuple(back), _by_run(left_held(statuses, options.run)), tuple(dict.fromkeys(unknown)), tuple(left))


def _by_run(left: Mapping[str, str]) -> dict[str, list[str]]:
    return {run: [host for host, of in left.items() if of == run] for run in dict.fromkeys(left.values())}


def _of_run(fleet: Fleet, known: Known) -> tuple[list[HostAhead], list[Problem]]:
    hosts = [host for host in known.owed if host in fleet.agents]

    def look(agent: HostAgent) -> dict[str, State]:
        plan = known.plans[agent.name]
        return agent.look([*_changing(plan), *_backups(plan)], deadline_s=PLAN_LOOK_S)

    outcomes = fleet.each(look, hosts, deadline=PLAN_LOOK_S)
    seen = {host: one.unwrap() for host, one in outcomes.items() if one.error is None}
    return [_host(known, host, states) for host, states in seen.items()], failures(outcomes)


def _host(known: Known, host: str, seen: Mapping[str, State]) -> HostAhead:
    plan = known.plans[host]
    if known.is_back(host):
        at, old = ((known.entry(host) or {}).get("reverted") or {}).get("at", ""), known.plan.service.old
        stands = f"it went back by itself at {at}: {old} is judged there, and taken back once more only where it does not pass"
        return HostAhead(host, known.run, stands, ())
    would = tuple(step.words for step in _changing(plan) if _differs(step, seen[step.id]))
    return HostAhead(host, known.run, _stands(known, host), would, tuple(_wrong(host, plan, seen)))


def _stands(known: Known, host: str) -> str:
    status, entry = known.statuses[host], known.entry(host) or {}
    if status["revert"]["armed"] and status["revert"]["run"] == known.run:
        return "between the versions; its own revert is armed"
    if (entry.get("state") or {}).get("status") == CONFIRMED and not entry.get("reverted"):
        return f"on {known.plan.service.new}, confirmed"
    return "left between the versions"


def _wrong(host: str, plan: HostPlan, seen: Mapping[str, State]) -> list[Problem]:
    """Steps of the way back that cannot even look, and a backup that is not what was taken."""
    problems = [
        Problem(f"{step.words}: {seen[step.id]['error']}", step.next or "see the host", host=host, path=step.id)
        for step in _changing(plan)
        if "error" in seen[step.id]
    ]
    for phase in PHASES:
        for step in plan.of(phase):
            taken = phase in PREPARING or seen.get(step.id, {}).get(
                "exists"
            )  # the last one, once the old service has stopped
            if step in _backups(plan) and taken and (found := _differs(step, seen[step.id])):
                problems.append(Problem(f"{step.words}: {'; '.join(found)}", step.next, host=host, path=step.id))
    return problems


def _changing(plan: HostPlan) -> list[Step]:
    return [step for step in plan.of(ROLLBACK) if not step.probe]


def _backups(plan: HostPlan) -> list[Step]:
    return [step for phase in PHASES for step in plan.of(phase) if step.kind == BACKUP]


def _differs(step: Step, seen: State) -> list[str]:
    """What is not as the step wants it; what it could not look at is a problem of its own."""
    if "error" in seen and step.kind != BACKUP:
        return []
    wrong = [str(found) for found in seen.get("wrong", ())]
    return [*([str(seen["error"])] if "error" in seen else []), *map(str, differences(seen, step.desired)), *wrong]
