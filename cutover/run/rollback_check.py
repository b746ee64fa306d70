"""`rollback --check` and `abort --check`: which runs would be undone, on which hosts, by which changes. Takes no lease.

The backup that the way back needs is read back as well, file by file: that it is sound is worth knowing before it is needed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cutover.agent.compare import differences
from cutover.core.errors import Problem, Unjudged
from cutover.core.step import State, Step
from cutover.inventory.targets import Targets
from cutover.plan.phases import PHASES, PREPARING, ROLLBACK, Phase
from cutover.plan.plan import HostPlan
from cutover.remote.agent import HostAgent
from cutover.remote.fleet import Fleet, failures, reached
from cutover.remote.timeouts import PLAN_LOOK_S
from cutover.run.history import Known, ask, known_run
from cutover.run.leases import refuse_living_holders, refuse_wrong_nonce
from cutover.run.options import RunOptions
from cutover.run.rollback import ABORT, confirmed_hosts, left_held, leftover_hosts, wants_back

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
    """What would be done, host by host in the order of runs; who could not be asked; hosts of these runs that would stay where they are.

    `confirmed`: hosts that are on the new release for good, by run.
    """

    hosts: tuple[HostAhead, ...]
    confirmed: Mapping[str, Sequence[str]]
    unknown: tuple[Problem, ...] = ()
    leftover: tuple[Problem, ...] = ()


def foresee(targets: Targets, options: RunOptions) -> Ahead:
    """What `rollback` or `abort` would do now. Raises Locked where another run holds a host: it may still change it."""
    with reached(targets) as (fleet, unreachable):
        if not fleet.agents:
            raise Unjudged(unreachable)
        meant: list[Known] = []

        def wanted(candidate: Known) -> bool:
            if wants_back(options, candidate):
                meant.append(candidate)
            return False  # all of them: one is undone after the other

        named, silent = known_run(fleet, targets, options.run, wanted)
        if named is not None:
            wanted(named)
        statuses, _ = ask(fleet)
        refuse_wrong_nonce(statuses, options.steal_lock)
        refuse_living_holders(statuses, options.steal_lock)
        back: list[HostAhead] = []
        left: list[Problem] = []
        unknown = [*unreachable, *silent]
        for known in meant:
            seen, unread = _look(fleet, known)
            back += [_host(known, host, states) for host, states in seen.items()]
            unknown += unread
            left += leftover_hosts(targets, known)
        if options.command == ABORT:
            held = left_held(statuses, options.run)
            back += [HostAhead(host, run, "held", ("release",)) for host, run in held.items()]
        return Ahead(tuple(back), confirmed_hosts(statuses), tuple(dict.fromkeys(unknown)), tuple(left))


def _look(fleet: Fleet, known: Known) -> tuple[dict[str, dict[str, State]], list[Problem]]:
    """What the steps of the way back and the backups find on each host, and who could not say."""

    def look(agent: HostAgent) -> dict[str, State]:
        plan = known.plans[agent.name]
        return agent.look([*_changing(plan), *(step for _, step in _backups(plan))], deadline_s=PLAN_LOOK_S)

    outcomes = fleet.each(look, [host for host in known.owed if host in fleet.agents], deadline=PLAN_LOOK_S)
    return {host: one.unwrap() for host, one in outcomes.items() if one.error is None}, failures(outcomes)


def _host(known: Known, host: str, seen: Mapping[str, State]) -> HostAhead:
    plan, now = known.plans[host], known.at(host)
    old, new = known.plan.service.old, known.plan.service.new
    if now.back:
        then = f"{old} is judged there, and taken back once more only where it does not pass"
        return HostAhead(host, known.run, f"it went back by itself at {now.reverted['at']}: {then}", ())
    stands = "left between the versions"
    if now.armed:
        stands = "between the versions; its own revert is armed"
    elif now.confirmed:
        stands = f"on {new}, confirmed"
    would: list[str] = []
    wrong: list[tuple[Step, list[str]]] = []
    for step in _changing(plan):
        if "error" in seen[step.id]:
            wrong.append((step, [str(seen[step.id]["error"])]))
        elif _differs(step, seen[step.id]):
            would.append(step.words)
    for phase, step in _backups(plan):
        state = seen[step.id]
        taken = phase in PREPARING or state.get("exists")  # the last one, once the old service has stopped
        if taken and (found := [state["error"]] if "error" in state else _differs(step, state)):
            wrong.append((step, found))
    problems = (
        Problem(f"{step.words}: {'; '.join(found)}", step.next or "see the host", host=host, path=step.id)
        for step, found in wrong
    )
    return HostAhead(host, known.run, stands, tuple(would), tuple(problems))


def _changing(plan: HostPlan) -> list[Step]:
    return [step for step in plan.of(ROLLBACK) if not step.probe]


def _backups(plan: HostPlan) -> list[tuple[Phase, Step]]:
    return [(phase, step) for phase in PHASES for step in plan.of(phase) if step.kind == BACKUP]


def _differs(step: Step, seen: State) -> list[str]:
    """What is not as the step wants it."""
    return [*differences(seen, step.desired), *map(str, seen.get("wrong", ()))]
