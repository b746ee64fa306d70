"""The main story: plan, approve, prepare everywhere, commit batch by batch, or go back."""

from collections.abc import Sequence

from cutover.console.ask import confirm, progress
from cutover.console.plan import plan_view
from cutover.core.errors import CutoverError, Interrupted, MixedFleet, Problem, Refused, RolledBack, UsageError
from cutover.journal.journal import ROOM, utc_now
from cutover.plan.gate import Answer
from cutover.plan.phases import BAKES, COMMITTING, PREPARING, READS_FACTS, Phase
from cutover.plan.plan import Plan
from cutover.release.build import release_of
from cutover.remote.agent import HostAgent
from cutover.remote.fleet import as_problems
from cutover.remote.timeouts import ARM_S, UPLOAD_S
from cutover.run.history import CONFIRMED, connect_settled
from cutover.run.kept_plans import sign
from cutover.run.leases import holder, take_leases
from cutover.run.phase import arm, bake, recheck, run_phase
from cutover.run.planning import contents_for, make_plan
from cutover.run.rollback import go_back
from cutover.run.session import Session, follow, open_journal


def plan(session: Session) -> None:
    """Make a plan and keep it; `session.plan` has no host where every host runs the release already."""
    follow(session, (open_journal, connect_settled, make_plan))


def cutover(session: Session) -> None:
    """All six phases (0-2 of them for `prepare`), from a fresh plan or from that of `--run`."""
    planned = (load_plan, open_journal, connect_settled)
    fresh = (open_journal, connect_settled, make_plan, end_if_nothing_to_do)
    prepared = (approve, ask_people, start, take_leases, prepare, judge_checklist)
    plan = planned if session.options.run else fresh
    follow(session, (*plan, *prepared, end_if_only_prepare, commit_or_go_back))


# The plan.


def end_if_nothing_to_do(session: Session) -> bool:
    """End the story where every host runs the release already."""
    session.status = "" if session.plan.hosts else "nothing to do"
    return not session.plan.hosts


def load_plan(session: Session) -> None:
    """The plan that the run has, with its files and its release; UsageError where it cannot be applied as it is."""
    plan = plan_of(session)
    release = release_of(session.targets, plan)
    session.take_plan(plan, contents_for(session.targets, plan, release.facts), release.artifact)


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
    approvals = [record.data for record in session.journal.of("approved")]
    given = [one for one in approvals if one["fingerprint"] == plan.fingerprint]
    session.approval = next((one["approval"] for one in reversed(given) if one["approval"]), None)
    if options.resume and any(one["purpose"] in (purpose, "cutover") for one in given):
        return
    if session.console is not None:
        session.console.show(plan_view(plan, diff=options.diff))
    what = f"{options.command} of {len(plan.hosts)} hosts of {plan.environment} to {plan.release.id}, as planned above"
    go_on = f"go on with run {plan.run}: " if options.resume else ""
    confirm(session.ask, f"{go_on}{what} ({plan.fingerprint[:12]})?")
    if session.approval is None:
        session.approval, unsigned = sign(plan, session.targets)
        if unsigned:
            progress(f"the plan is not signed, so another machine would not go on with it: {unsigned}")
    session.record("approved", by=holder(), fingerprint=plan.fingerprint, purpose=purpose, approval=session.approval)


def ask_people(session: Session) -> None:
    """Have people answer their lines of the checklist, before any host is changed."""
    if session.poll is not None:
        session.poll.people(session.journal)


def judge_checklist(session: Session) -> None:
    """Judge the other lines of the checklist by what phase 0 found."""
    if session.poll is not None:
        session.poll.machines(session.journal, session.facts_found)


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
        if phase is READS_FACTS:
            session.facts_found = answer.findings
    _reserve_room(session)
    session.record("prepared", hosts=list(session.hosts))
    session.status = "prepared"


def _reserve_room(session: Session) -> None:
    """Keep room in the journal for all that is to come, the way back included: once an old service is stopped, a full disk is too late."""
    if not session.journal.reserve(len(session.hosts)):
        found = f"this machine has no room for {ROOM * len(session.hosts) // 1024} KiB more of it"
        next_ = f"make room (`df -h` shows where), then `./invokew cutover --run {session.run}`"
        raise Refused(Problem(path=str(session.journal.path), found=found, next=next_))


def _send_release(session: Session, phase: Phase) -> None:
    """Send the artifact to every host where the phase will unpack it and the release is not there yet."""
    steps = {name: [step for step in plan.of(phase) if step.kind == "release"] for name, plan in session.plans.items()}

    def send(agent: HostAgent) -> None:
        for step in steps[agent.name]:
            if agent.look([step])[step.id].get("present"):
                continue
            artifact, target, digest = session.artifact, step.args["artifact"], step.args["sha256"]
            if artifact is None or not artifact.is_file():
                found, next_ = "the release's artifact is not on this machine any more", "plan again, which builds it"
                raise Refused(Problem(host=agent.name, path=str(artifact), found=found, next=next_))
            agent.transport.upload(artifact, target, sha256=digest, deadline=UPLOAD_S)
            session.record("uploaded", host=agent.name, bytes=artifact.stat().st_size, sha256=digest, target=target)

    if any(steps.values()):
        session.fleet.every(send, session.hosts, deadline=UPLOAD_S)


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

    A run that is taken up where its controller died: what was done before is armed under the token that rules now, and judged once more.
    """
    at = session.reached
    if done := [host for hosts in session.batches[: at.batch] for host in hosts]:
        _arm(session, done)
        _pass(recheck(session, BAKES, done))
    for number, hosts in enumerate(session.batches[at.batch :], start=at.batch):
        session.check()
        session.record("batch.started", number=number + 1, of=len(session.batches), hosts=list(hosts))
        _arm(session, hosts)
        for phase in COMMITTING[at.phase if number == at.batch else 0 :]:
            session.check()
            _still_ours(session)
            _pass(run_phase(session, phase, hosts))
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


def _arm(session: Session, hosts: Sequence[str]) -> None:
    if unarmed := arm(session, hosts):
        raise GateShut(unarmed)


def _pass(answer: Answer) -> None:
    if not answer.opens:
        raise GateShut(answer.problems)


def _still_ours(session: Session) -> None:
    """A host that took its lease back (it reverted by itself, or another run has it) ends the run."""
    found = "the lease is lost: the host went back by itself or another run holds it"
    if lost := [host for host in session.hosts if host not in session.tokens]:
        raise GateShut(Problem(host=host, found=found, next="see `./invokew status`") for host in lost)


def _went_back(session: Session, failure: BaseException) -> CutoverError:
    """Take every touched host back; gives the error that says what went wrong and where the hosts are now."""
    problems = as_problems(failure, "")
    try:
        back = go_back(session, cause="; ".join(problem.found for problem in problems))
    except MixedFleet as mixed:
        return MixedFleet([*mixed.problems, *problems])
    old = session.plan.service.old
    where = (
        f"rolled back: {', '.join(back)}; all on {old}, verified" if back else f"no host was touched; all are on {old}"
    )
    found = [*problems, Problem(found=where, next="see the report")]
    if isinstance(failure, Interrupted | KeyboardInterrupt):
        return Interrupted(found)
    return (RolledBack if back else Refused)(found)
