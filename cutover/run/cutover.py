"""The main story: plan, approve, prepare everywhere, commit batch by batch, or go back."""

from collections.abc import Sequence
from pathlib import Path

from cutover.agent.compare import differences
from cutover.console.ask import confirm
from cutover.console.plan import plan_view
from cutover.core.errors import CutoverError, Interrupted, MixedFleet, Problem, Refused, RolledBack, UsageError
from cutover.core.step import State, Step
from cutover.journal.journal import read, utc_now
from cutover.plan.phases import BAKES, COMMITTING, PREPARING, READS_FACTS, Phase
from cutover.plan.plan import HostPlan, Plan
from cutover.release.build import release_of
from cutover.remote.agent import HostAgent
from cutover.remote.fleet import Fleet, reached
from cutover.remote.timeouts import ARM_S, PLAN_LOOK_S, UPLOAD_S
from cutover.run.history import CONFIRMED, ask, connect_settled, entry_of, is_settled_back
from cutover.run.leases import holder, take_leases
from cutover.run.phase import arm, bake, recheck, run_phase
from cutover.run.planning import contents_for, make_plan
from cutover.run.rollback import go_back
from cutover.run.session import Reached, Session, follow, open_journal


def plan(session: Session) -> None:
    """Make a plan and keep it; `session.plan` has no host where every host runs the release already."""
    follow(session, (open_journal, connect_settled, make_and_keep_plan))


def cutover(session: Session) -> None:
    """All six phases (0-2 of them for `prepare`), from a fresh plan or from that of `--run`."""
    planned = (load_plan, open_journal, connect_settled)
    fresh = (open_journal, connect_settled, make_and_keep_plan, end_if_nothing_to_do)
    prepared = (approve, ask_people, start, take_leases, prepare, judge_checklist)
    plan = planned if session.options.run else fresh
    follow(session, (*plan, *prepared, end_if_only_prepare, commit_or_go_back))


# The plan.


def make_and_keep_plan(session: Session) -> None:
    """Make a plan of all chosen hosts; hosts that run the release already have no part in it."""
    planned = make_plan(session.targets, session.fleet, session.run)
    take_plan(session, planned.plan)
    session.contents, session.artifact = planned.contents, planned.artifact
    if planned.plan.hosts:
        planned.plan.save(session.directory.plan_file)
    session.record(
        "plan.made", fingerprint=planned.plan.fingerprint, release=planned.plan.release.id, hosts=list(planned.plan.hosts),
        batches=[list(batch) for batch in planned.plan.batches], already=list(planned.already),
    )  # fmt: skip


def take_plan(session: Session, plan: Plan) -> None:
    """From here on the run is about this plan, and works on all its hosts."""
    session.plan, session.plans = plan, plan.hosts


def end_if_nothing_to_do(session: Session) -> bool:
    """End the story where every host runs the release already."""
    session.status = "" if session.plan.hosts else "nothing to do"
    return not session.plan.hosts


def load_plan(session: Session) -> None:
    """The plan that the run has, with its files and its release; UsageError where it cannot be applied as it is."""
    plan = plan_of(session)
    release = release_of(session.targets, plan)
    take_plan(session, plan)
    session.contents, session.artifact = contents_for(session.targets, plan, release.facts), release.artifact


def plan_of(session: Session) -> Plan:
    """The plan that the run has; UsageError where it is about another service or other hosts than were asked for."""
    plan, targets = session.directory.plan(), session.targets
    same = (plan.environment, plan.service.name) == (targets.environment, targets.service)
    if not same or not set(plan.hosts) <= set(targets.names):
        asked = f"{targets.service} on {', '.join(targets.names)} of {targets.environment}"
        about = f"it is about {plan.service.name} on {', '.join(plan.hosts)} of {plan.environment}, and {asked} was asked for"
        next_ = f"name service and hosts as they were: --service {plan.service.name} --hosts '{plan.pattern}'"
        raise UsageError(Problem(path=f"--run {plan.run}", found=about, next=next_))
    return plan


# Approval.


def approve(session: Session) -> None:
    """Show the plan and have a person approve it; UsageError where nobody does. On `--resume` an approval that was given counts."""
    plan, options = session.plan, session.options
    purpose = "prepare" if options.only_prepare else "cutover"
    if options.resume and {purpose, "cutover"} & _approved_for(session):
        return
    if session.console is not None:
        session.console.show(plan_view(plan, diff=options.diff))
    what = f"{options.command} of {len(plan.hosts)} hosts of {plan.environment} to {plan.release.id}, as planned above"
    go_on = f"go on with run {plan.run}: " if options.resume else ""
    confirm(session.ask, f"{go_on}{what} ({plan.fingerprint[:12]})?")
    session.record("approved", by=holder(), fingerprint=plan.fingerprint, purpose=purpose)


def _approved_for(session: Session) -> set[str]:
    approvals = [record.data for record in session.journal.of("approved")]
    return {str(one.get("purpose")) for one in approvals if one["fingerprint"] == session.plan.fingerprint}


def ask_people(session: Session) -> None:
    """Have people answer their lines of the checklist, before any host is changed."""
    if session.poll is not None:
        session.poll.people(session.journal)


def judge_checklist(session: Session) -> None:
    """Judge the other lines of the checklist by what phase 0 found."""
    if session.poll is not None:
        session.poll.machines(session.journal)


# Phases 0-2 on all hosts. One no, and nothing of the old release has been touched anywhere.


def start(session: Session) -> None:
    """From here on the run is at work on hosts."""
    session.start_clock()
    session.record("run.started", fingerprint=session.plan.fingerprint, hosts=list(session.plan.hosts))


def prepare(session: Session) -> None:
    """Validate, back up and stage on every host; raises Refused at the first gate that stays shut.

    Where that was done before, phase 0 is done anew, and of the others only the checks: is it still as it was prepared?
    """
    again = bool(session.journal.of("prepared"))
    for phase in PREPARING:
        session.check()
        if again and phase is not READS_FACTS:
            answer = recheck(session, phase)
        else:
            _send_release(session, phase)
            answer = run_phase(session, phase, session.hosts)
        if not answer.opens:
            raise Refused(answer.problems)
    session.record("prepared", hosts=list(session.hosts))
    session.status = "prepared"


def _send_release(session: Session, phase: Phase) -> None:
    """Send the artifact to every host where the phase will unpack it and the release is not there yet."""

    def send(agent: HostAgent) -> None:
        for step in session.plans[agent.name].of(phase):
            if step.kind == "release" and not agent.look([step])[step.id].get("present"):
                _upload(session, agent, step.args["artifact"], step.args["sha256"])

    if any(step.kind == "release" for plan in session.plans.values() for step in plan.of(phase)):
        session.fleet.every(send, session.hosts, deadline=UPLOAD_S)


def _upload(session: Session, agent: HostAgent, target: str, digest: str) -> None:
    artifact: Path | None = session.artifact
    if artifact is None or not artifact.is_file():
        found = "the release's artifact is not on this machine any more"
        next_ = "plan again, which builds it"
        raise Refused(Problem(host=agent.name, path=str(artifact), found=found, next=next_))
    agent.transport.upload(artifact, target, sha256=digest, deadline=UPLOAD_S)
    session.record("uploaded", host=agent.name, bytes=artifact.stat().st_size, sha256=digest, target=target)


def end_if_only_prepare(session: Session) -> bool:
    """`prepare` ends here."""
    return session.options.only_prepare


# Phases 3-5, batch by batch. Each host arms its own revert before its old service stops; the last gate of the last batch confirms.


class GateShut(CutoverError):
    """A gate said no after the old service was stopped somewhere: the way is back."""


def commit_or_go_back(session: Session) -> None:
    """Phases 3-5, from where they were reached; whatever ends them early, every touched host goes back first."""
    try:
        commit(session)
        confirm_hosts(session)
    except (KeyboardInterrupt, Exception) as failure:
        raise _went_back(session, failure) from failure
    session.status = f"on {session.plan.service.new}"


def commit(session: Session) -> None:
    """Take batch after batch to the new release; raises GateShut or Interrupted.

    A run that is taken up where its controller died: what was done before is armed and judged once more.
    """
    at = session.reached or Reached()
    if session.reached is not None:
        _take_up(session, [host for hosts in session.batches[: at.batch] for host in hosts])
    for number, hosts in enumerate(session.batches[at.batch :], start=at.batch):
        session.check()
        session.record("batch.started", number=number + 1, of=len(session.batches), hosts=list(hosts))
        _arm(session, hosts)
        for phase in COMMITTING[at.phase if number == at.batch else 0 :]:
            session.check()
            _still_ours(session)
            answer = run_phase(session, phase, hosts)
            if not answer.opens:
                raise GateShut(answer.problems)
        bake(session, hosts)
        _still_ours(session)


def confirm_hosts(session: Session) -> None:
    """Disarm the reverts: from here on a silent controller changes nothing."""
    state = {"status": CONFIRMED, "at": utc_now()}
    session.record("confirming", hosts=list(session.hosts))

    def keep(agent: HostAgent) -> None:
        agent.record(token=session.token(agent.name), run=session.run, state=state, head=session.journal.head)
        agent.disarm(token=session.token(agent.name))

    session.fleet.every(keep, session.hosts, deadline=ARM_S)
    session.record("confirmed", hosts=list(session.hosts))


def _take_up(session: Session, done: Sequence[str]) -> None:
    """Hosts that an earlier controller brought to the new release: armed under the token that rules now, and still as they were left."""
    if not done:
        return
    _arm(session, done)
    answer = recheck(session, BAKES, done)
    if not answer.opens:
        raise GateShut(answer.problems)


def _arm(session: Session, hosts: Sequence[str]) -> None:
    if unarmed := arm(session, hosts):
        raise GateShut(unarmed)


def _still_ours(session: Session) -> None:
    """A host that took its lease back (it reverted by itself, or another run has it) ends the run."""
    found = "the lease is lost: the host went back by itself or another run holds it"
    if lost := [host for host in session.hosts if host not in session.tokens]:
        raise GateShut(Problem(host=host, found=found, next="see `./invokew status`") for host in lost)


def _went_back(session: Session, failure: BaseException) -> CutoverError:
    """Take every touched host back; gives the error that says what went wrong and where the hosts are now."""
    problems = failure.problems if isinstance(failure, CutoverError) else (_surprise(failure),)
    try:
        back = go_back(session, cause="; ".join(problem.found for problem in problems))
    except MixedFleet as mixed:
        return MixedFleet([*mixed.problems, *problems])
    old = session.plan.service.old
    where = (
        f"rolled back: {', '.join(back)}; all on {old}, verified" if back else f"no host was touched; all are on {old}"
    )
    found = [*problems, Problem(found=where, next="see the report"), *_unwritten(session)]
    if isinstance(failure, Interrupted | KeyboardInterrupt):
        return Interrupted(found)
    return (RolledBack if back else Refused)(found)


def _unwritten(session: Session) -> list[Problem]:
    """That the way back did not wait for the journal."""
    journal = session.journal
    if not journal.unwritten:
        return []
    found = f"{len(journal.unwritten)} records of the way back could not be written"
    next_ = "make room here; `./invokew status` says how the hosts are"
    return [Problem(path=str(journal.path), found=found, next=next_)]


def _surprise(failure: BaseException) -> Problem:
    return Problem(found=f"{type(failure).__name__}: {failure}", next="this is a bug of ours: see the log")


# A run that was confirmed is finished. Given again, its hosts are looked at, and it is neither applied nor recorded a second time.

# What a step of these kinds found held when it was done; there is nothing to look at afterwards.
OF_ITS_TIME = ("command", "result", "gap")


def is_finished(session: Session) -> bool:
    """Whether the run was confirmed and all its hosts are as it left them: its release in service, healthy, the old one stopped.

    Refused where it was confirmed and a host is not so any more: what to do about that is for a person to say. A run that
    was not confirmed, or was rolled back since, is not finished.
    """
    file = session.directory.journal_file
    kinds = [record.kind for record in read(file)] if file.exists() else []
    if "confirmed" not in kinds or "rollback.started" in kinds:
        return False
    plan = session.directory.plan()
    with reached(session.targets) as (fleet, unreachable):
        statuses, silent = ask(fleet)
        lost = [problem for problem in (*unreachable, *silent) if problem.host in plan.hosts]
        wrong = [*(_not_known(plan, one) for one in lost), *_differences(fleet, plan, statuses)]
    if wrong:
        raise Refused(wrong)
    return True


def _not_known(plan: Plan, problem: Problem) -> Problem:
    found = f"run {plan.run} was confirmed; how this host is now is not known: {problem.found}"
    return Problem(host=problem.host, path=problem.path, found=found, next=problem.next)


def _differences(fleet: Fleet, plan: Plan, statuses: dict[str, State]) -> list[Problem]:
    """What is not as the run left it, host by host."""
    problems: list[Problem] = []
    asked = [name for name in plan.hosts if name in statuses]
    looks = fleet.every(lambda agent: agent.look(_lasting(plan.hosts[agent.name])), asked, deadline=PLAN_LOOK_S)
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
            next_ = "nothing was applied: see `./invokew verify`; `./invokew rollback` is the way back"
            problems += [Problem(host=name, path=step.id, found=found, next=next_)] if said else []
    return problems


def _lasting(plan: HostPlan) -> list[Step]:
    """The steps of phases 3-5 whose outcome can be seen as long as the release is in service."""
    steps = [step for phase in COMMITTING for step in plan.of(phase)]
    return [step for step in steps if step.kind not in OF_ITS_TIME and step.severity == "FAIL"]
