"""`--resume`: go on with a run whose controller died, from its directory or from what its hosts hold. The same plan, the same id.

Before phase 3 everything is simply done again: each step looks first. From there on the host is asked: where one has gone
back, by itself or by a rollback, all go back; else the phase that was begun last is done again, and the run goes on.
"""

from collections.abc import Mapping
from dataclasses import replace

from cutover.core.errors import Interrupted, MixedFleet, Problem, Refused, RolledBack, Unreachable, UsageError
from cutover.core.step import State
from cutover.inventory.targets import Targets
from cutover.journal.journal import read
from cutover.journal.rundir import RunDir
from cutover.plan.plan import Plan
from cutover.release.build import release_again
from cutover.remote.fleet import reached
from cutover.run.cutover import (
    approve,
    ask_people,
    commit_or_go_back,
    end_if_only_prepare,
    judge_checklist,
    prepare,
    start,
)
from cutover.run.history import COMMITS, HostRun, Known, ask, directory_of, known_run
from cutover.run.leases import dead_holders, holder, take_leases, take_leases_as_far_as_possible
from cutover.run.planning import contents_for
from cutover.run.rollback import go_back
from cutover.run.session import Session, StoryStep, begin_journal, follow


def resume(session: Session) -> None:
    """Go on with a run to its end; `session.status` stays empty where there is no run to go on with."""
    here = _begun_here(session)
    touched = here is not None and _touched_here(here)
    try:
        follow(session, (find_run_or_end, open_found_journal, follow_from_there))
    except Unreachable as nobody:
        if touched:
            raise MixedFleet(nobody.problems) from nobody
        raise


def follow_from_there(session: Session) -> None:
    """Take the steps that are left; which ones depends on how far the run came."""
    for step in steps_left(session):
        if step(session):
            break


def steps_left(session: Session) -> tuple[StoryStep, ...]:
    """From before phase 3 everything is done again; from there on the hosts decide which way the run goes."""
    known = session.known
    if known.confirmed:
        return (start_again, take_leases_as_far_as_possible, end_on_new)  # leases of the dead controller are given back
    if not known.touched:
        again = (approve, ask_people, get_release, start_again, take_leases, prepare, judge_checklist)
        return (need_all_hosts, *again, end_if_only_prepare, commit_or_go_back)
    if session.options.only_prepare:
        found = f"phases 3-5 were begun on {', '.join(known.touched)}"
        next_ = "go on with `./invokew cutover --resume`, or back with `./invokew rollback`"
        raise UsageError(Problem(path="--resume", found=found, next=next_))
    release = () if _against(session) else (get_release,)
    forward = (turn_back_if_needed, commit_or_go_back, name_lost_hosts)
    return (*release, start_again, take_leases_as_far_as_possible, *forward)


# Which run `--resume` means: the one that is named, else the last that was left in the middle, by this machine or by the hosts.


def _begun_here(session: Session) -> RunDir | None:
    """The directory of the run on this machine, if it has one with a plan in it."""
    options = session.options
    if not options.run:
        return options.runs.unfinished(session.environment, session.targets.service, session.targets.names)
    directory = options.directory(options.run)
    return directory if directory.plan_file.exists() else None


def _touched_here(here: RunDir) -> bool:
    return any(record.kind == "intent" and record.phase in COMMITS for record in read(here.journal_file))


def _ended(directory: RunDir, known: Known) -> bool:
    """Whether the run has come to its end, by its journal and by its hosts: then it is not begun a second time."""
    records = read(directory.journal_file) if directory.journal_file.exists() else []
    kinds = [record.kind for record in records if record.kind != "notice"]
    return kinds[-1:] == ["run.finished"] and not known.unfinished


def find_run_or_end(session: Session) -> bool:
    """Connect to the hosts that can be reached, and find the run to go on with; True where nothing was left in the middle.

    UsageError where it concerns other hosts as well.
    """
    options = session.options
    here = _begun_here(session)
    session.fleet, unreachable = session.resources.enter_context(reached(session.targets))
    statuses, silent = ask(session.fleet)
    lost: tuple[Problem, ...] = (*unreachable, *silent)
    if not statuses:
        raise Unreachable(lost)
    newest = options.run or max([here.id if here else "", *_open_on(statuses)])
    if not newest:
        if lost:  # whether one of these was left in the middle is not known
            raise Refused(lost)
        return True
    own = options.directory(newest)
    if own.plan_file.exists():
        known = Known(newest, own.plan(), statuses)
    else:
        read, unread = known_run(session.fleet, session.targets, newest, lambda _known: True)
        lost = tuple(dict.fromkeys((*lost, *unread)))
        if read is None:
            raise Refused(lost)
        _refuse_unsigned(read, here)
        known = read
    _refuse_other_hosts(session.targets, known.plan)
    _refuse_superseded(known)
    session.known, session.directory = known, directory_of(options.runs, known)
    session.lost = tuple(problem for problem in lost if problem.host in _hosts(known.plan))
    return _ended(session.directory, known)


def _refuse_unsigned(known: Known, here: RunDir | None) -> None:
    """Nobody goes forward by what hosts say was planned; the way back is computed anew."""
    found = f"the plan of run {known.run} is not on this machine, and nobody signed what this host keeps of it"
    own = f"; `--run {here.id}` is the run of this machine" if here else ""
    next_ = f"go on where the run was begun, or back with `./invokew rollback --run {known.run}`{own}"
    if known.anew:
        raise Refused(Problem(host=name, found=found, next=next_) for name in known.anew)


def _open_on(statuses: Mapping[str, State]) -> list[str]:
    """Runs that some host says were left in the middle."""
    runs = {entry["run"] for status in statuses.values() for entry in status["runs"]}
    return [run for run in runs if any(HostRun.of(status, run).open for status in statuses.values())]


def _hosts(plan: Plan) -> set[str]:
    """All hosts of the run, also those that keep no part of the plan yet."""
    return {*plan.hosts, *(host for batch in plan.batches for host in batch)}


def _refuse_other_hosts(targets: Targets, plan: Plan) -> None:
    others = sorted(_hosts(plan) - set(targets.names))
    if others or plan.environment != targets.environment:
        found = (
            f"it is about {', '.join(sorted(_hosts(plan)))} of {plan.environment}: {', '.join(others)} not chosen here"
        )
        next_ = f"name the hosts as they were: --hosts '{plan.pattern}'"
        raise UsageError(Problem(path=f"--run {plan.run}", found=found, next=next_))


def _refuse_superseded(known: Known) -> None:
    """A host that a later run has worked on is not where this run left it."""
    later = {
        host: entry["run"]
        for host in known.plans
        for entry in (known.statuses.get(host) or {"runs": ()})["runs"]
        if entry["run"] > known.run and entry["batches"]
    }
    if later:
        raise Refused(
            Problem(
                host=host, found=f"run {run} came after run {known.run} here", next="see `./invokew status`; plan again"
            )
            for host, run in later.items()
        )


def open_found_journal(session: Session) -> None:
    """Open the run's journal; UsageError where it lacks records that a host knows of. The run works on the hosts that can be reached."""
    known = session.known
    journal = session.directory.journal()
    journal.refuse_cut(known.heads)
    begin_journal(session, journal, pattern=known.plan.pattern, recovered_from="hosts")
    agents = {name: agent for name, agent in session.fleet.agents.items() if name in known.plans}
    session.fleet = replace(session.fleet, agents=agents)
    session.plan, session.plans = known.plan, {name: plan for name, plan in known.plans.items() if name in agents}
    session.dead = dead_holders(known.run, known.statuses)
    session.known = replace(known, records=tuple(journal.records))
    session.inherited = session.known.touched


def need_all_hosts(session: Session) -> None:
    """Nothing of the old release was touched: every host is needed."""
    if session.lost:
        raise Unreachable(session.lost)
    if missing := _missing(session):
        raise Refused(missing)


def get_release(session: Session) -> None:
    """The files of the plan and its release; built anew where this machine does not have it."""
    release = release_again(session.targets, session.plan, session.fleet)
    session.contents, session.artifact = contents_for(session.targets, session.plan, release.facts), release.artifact


def start_again(session: Session) -> None:
    """From here on the run is at work on hosts again."""
    start(session)
    session.journal.reserve(len(session.known.hosts))  # where there is none, its way back goes on unwritten
    session.record("resumed", by=holder(), touched=list(session.inherited), found="its controller is gone")


def end_on_new(session: Session) -> None:
    """The run was confirmed: there is nothing more to do."""
    session.status = f"on {session.plan.service.new}"


def turn_back_if_needed(session: Session) -> None:
    """All back, unless every host is where the run left it. Decided under the leases, when no host can go by itself unseen.

    Raises how that ended: RolledBack, or MixedFleet with the hosts that are not known to be back.
    """
    statuses, silent = ask(session.fleet)
    now = session.known = replace(session.known, statuses=statuses)
    against = [*_against(session), *_not_held(session), *silent]
    session.inherited = now.touched
    session.already = [name for name, host in now.hosts.items() if host.back]
    session.lost = tuple(one for one in session.lost if one.host in now.touched or not _is_own_journal(session))
    if not against:
        session.reached = now.reached()
        return
    try:
        back = go_back(session, "; ".join(problem.found for problem in against))
    except MixedFleet as mixed:
        raise MixedFleet([*mixed.problems, *against]) from mixed
    found = f"back: {', '.join(back)}; all on {session.plan.service.old}, verified"
    where = Problem(found=found, next="see the report; then plan again")
    raise (Interrupted if session.stop.asked else RolledBack)([*against, where])


def name_lost_hosts(session: Session) -> None:
    """The others were being confirmed, and now are."""
    if session.lost:
        raise MixedFleet(session.lost)


def _is_own_journal(session: Session) -> bool:
    """Whether the journal is this run's own, so that a host which it does not name was not touched."""
    return not any("recovered_from" in record.data for record in session.journal.of("run.created"))


def _against(session: Session) -> list[Problem]:
    """What speaks against going on forward."""
    known = session.known
    found = dict.fromkeys(known.going_back, f"the rollback of run {known.run} was begun here")
    for host, one in known.hosts.items():
        if one.reverted:
            found[host] = f"reverted by host at {one.reverted['at']}, in run {known.run}"
    next_ = "the run goes back on all its hosts; then plan again"
    against = [Problem(host=host, found=words, next=next_) for host, words in found.items()]
    return [*against, *(() if known.confirming else (*session.lost, *_missing(session)))]


def _not_held(session: Session) -> list[Problem]:
    """Hosts whose lease could not be taken: nothing may be changed there."""
    known = {*session.tokens, *(problem.host for problem in session.lost)}
    found, next_ = "its lease could not be taken", "see that the host can be reached, and `./invokew status`"
    return [Problem(host=host, found=found, next=next_) for host in session.hosts if host not in known]


def _missing(session: Session) -> list[Problem]:
    """Hosts of the run that keep no part of the plan, where only the hosts have it."""
    known = {*session.plan.hosts, *(problem.host for problem in session.lost)}
    found, next_ = f"run {session.run} has not come here, and its plan is only on the other hosts", "plan again"
    wanted = [host for batch in session.plan.batches for host in batch]
    return [Problem(host=host, found=found, next=next_) for host in wanted if host not in known]
