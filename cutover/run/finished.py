"""A run that was confirmed is finished. Given again it is looked at, and neither applied nor written to a second time."""

from cutover.agent.compare import differences
from cutover.core.errors import Problem, Refused
from cutover.core.step import State, Step
from cutover.inventory.targets import Targets
from cutover.journal.journal import read
from cutover.journal.rundir import RunDir
from cutover.plan.phases import COMMITTING
from cutover.plan.plan import HostPlan, Plan
from cutover.remote.fleet import Fleet, reached
from cutover.run.history import ask, entry_of, is_settled_back

LOOK_S = 60.0
# What a step of these kinds found held when it was done; there is nothing to look at afterwards.
OF_ITS_TIME = ("command", "result", "gap")


def stands(targets: Targets, run: RunDir) -> bool:
    """Whether a run was confirmed and all its hosts are as it left them: its release in service, healthy, V1 stopped.

    Refused where it was confirmed and a host is not so any more: what to do about that is for a person to say. A run that
    was not confirmed, or was rolled back since, does not stand.
    """
    if not _was_confirmed(run):
        return False
    plan = run.plan()
    with reached(targets) as (fleet, unreachable):
        statuses, silent = ask(fleet)
        lost = [problem for problem in (*unreachable, *silent) if problem.host in plan.hosts]
        wrong = [*(_unknown(plan, one) for one in lost), *_differences(fleet, plan, statuses)]
    if wrong:
        raise Refused(wrong)
    return True


def _was_confirmed(run: RunDir) -> bool:
    kinds = [record.kind for record in read(run.journal_file)] if run.journal_file.exists() else []
    return "confirmed" in kinds and "rollback.started" not in kinds


def _unknown(plan: Plan, problem: Problem) -> Problem:
    found = f"run {plan.run} was confirmed; how this host is now is not known: {problem.found}"
    return Problem(host=problem.host, path=problem.path, found=found, next=problem.next)


def _differences(fleet: Fleet, plan: Plan, statuses: dict[str, State]) -> list[Problem]:
    """What is not as the run left it, host by host."""
    problems: list[Problem] = []
    asked = [name for name in plan.hosts if name in statuses]
    looks = fleet.every(lambda agent: agent.look(_lasting(plan.hosts[agent.name])), asked, deadline=LOOK_S)
    for name in asked:
        entry = entry_of(statuses[name], plan.run) or {}
        if is_settled_back(entry) or entry.get("reverted"):
            found = f"run {plan.run} is spent: this host went back from it"
            problems.append(Problem(host=name, found=found, next="make a new plan"))
            continue
        for step in _lasting(plan.hosts[name]):
            seen = looks[name][step.id]
            said = [seen["error"]] if "error" in seen else [str(one) for one in differences(seen, step.desired)]
            found = f"run {plan.run} was confirmed, and this host is not as it left it: {'; '.join(said)}"
            next_ = "nothing was applied: see `./invokew verify`; `./invokew rollback` is the way back to V1"
            problems += [Problem(host=name, path=step.id, found=found, next=next_)] if said else []
    return problems


def _lasting(plan: HostPlan) -> list[Step]:
    """The steps of phases 3-5 whose outcome can be seen as long as the release is in service."""
    steps = [step for phase in COMMITTING for step in plan.of(phase)]
    return [step for step in steps if step.kind not in OF_ITS_TIME and step.severity == "FAIL"]
