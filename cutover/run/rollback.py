"""The way back: every touched host returns to the old release, verified, what the new one wrote kept aside. From any state of phases 3-5.

A host that does not answer keeps no other from going: it is tried again, and then owed a rollback, which is remembered here
and on the hosts that did answer.
"""

import shlex
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from cutover.console.ask import confirm
from cutover.core.errors import CutoverError, Locked, MixedFleet, Problem, Unreachable, UsageError
from cutover.inventory.targets import Targets
from cutover.journal.journal import read, utc_now
from cutover.journal.pending_rollbacks import pending_rollbacks
from cutover.journal.rundir import RunDir
from cutover.plan.phases import COMMITTING, ROLLBACK
from cutover.remote.agent import HostAgent
from cutover.remote.fleet import connected_as_far_as_possible
from cutover.remote.timeouts import SETTLE_S, TRY_AGAIN_S
from cutover.run.history import (
    Known,
    ask,
    directory_of,
    entry_of,
    is_settled_back,
    is_touched,
    known_run,
    settle_what_is,
)
from cutover.run.leases import (
    dead_holders,
    refuse_living_holders,
    refuse_wrong_nonce,
    regain,
    release_leases,
    take_leases_as_far_as_possible,
)
from cutover.run.options import RunOptions
from cutover.run.phase import arm, recheck, run_phase
from cutover.run.session import Session, begin_journal, follow


def rollback(session: Session) -> tuple[str, ...]:
    """Take every touched host of a run back to the old release, verified. Gives the hosts; none: nothing to do.

    Hosts that went back by themselves are judged, and count as settled from then on. MixedFleet (5) names the hosts that cannot
    be asked, of which nobody knows whether they are on the new release, and those that were not chosen and stay there. Locked (6)
    where another run holds a host: nothing is done then. A holder that has died on this machine holds nothing.
    """
    try:
        follow(
            session,
            (find_run_or_end, approve, open_found_journal, take_leases_as_far_as_possible, arm_again, take_back),
        )
    except Unreachable as nobody:  # which does not mean that the old release is as it was
        raise MixedFleet(_unknown(problem) for problem in nobody.problems) from nobody
    session.stop.check()
    return session.hosts if session.status else ()


def find_run_or_end(session: Session) -> bool:
    """Connect to the hosts that can be reached, and find the run to go back from; True where there is none."""
    targets, options = session.targets, session.options
    session.fleet, unreachable = session.resources.enter_context(connected_as_far_as_possible(targets))
    known, silent = known_run(session.fleet, options.run, lambda candidate: wants_back(options, candidate))
    session.lost = tuple(_unknown(problem) for problem in (*unreachable, *silent))
    statuses = known.statuses if known is not None else ask(session.fleet)[0]
    refuse_wrong_nonce(statuses, options.steal_lock)
    settle_what_is(pending_rollbacks(targets.root, targets.environment, targets.service), statuses)
    if known is not None and wants_back(options, known):
        session.known = known
        return False
    refuse_living_holders(statuses, options.steal_lock)
    if session.lost:
        raise MixedFleet(session.lost)
    return True


def wants_back(options: RunOptions, known: Known) -> bool:
    """Whether a run is one to go back from; with `--resume`, only one whose way back was begun already."""
    begun = any(known.rolled_back(host) for host in known.plans)
    return bool(known.owed) and (not options.resume or begun or _begun_here(options.directory(known.run)))


def _begun_here(directory: RunDir) -> bool:
    """Whether a rollback of the run was begun or approved on this machine: it may not have come to a batch on any host."""
    try:
        records = read(directory.journal_file) if directory.journal_file.exists() else []
    except UsageError:  # altered: open_found_journal sets it aside, and the hosts alone say what was begun
        return False
    return any(record.kind == "rollback.started" or record.data.get("purpose") == ROLLBACK.name for record in records)


def _unknown(problem: Problem) -> Problem:
    return replace(problem, found=f"{problem.found}; whether it is on the new release is not known")


def approve(session: Session) -> None:
    """Have a person approve the way back; a rollback that is resumed was approved before."""
    session.ask.run_id = session.known.run
    if not session.options.resume and not session.options.yes:
        hosts = ", ".join(session.known.owed)
        old = session.known.plan.service.old
        what = f"{session.options.command}: take {hosts} back to {old}, undoing run {session.known.run}?"
        confirm(session.ask, what)


def open_found_journal(session: Session) -> None:
    """Open the run's journal. One that was altered or cut is set aside rather than trusted, and rather than keep the old release away.

    So is one that a process still holds whose hosts are taken from it.
    """
    known, options = session.known, session.options
    directory = session.directory = directory_of(options.runs, known)
    try:
        journal = directory.journal()
        journal.refuse_cut([head for host in known.plans for head in (known.entry(host) or {}).get("heads", ())])
    except (UsageError, Locked) as unusable:
        if isinstance(unusable, Locked) and not options.steal_lock:
            raise
        aside = directory.journal_file.with_name(f"journal-set-aside-{utc_now()}.jsonl")
        directory.journal_file.rename(aside)
        journal = directory.journal()
        journal.write("journal.set_aside", as_=aside.name, found=str(unusable))
    if not journal.of("run.created"):
        about = {
            "environment": session.environment,
            "service": known.plan.service.name,
            "pattern": session.targets.options.hosts,
        }
        journal.write("run.created", run=known.run, **about, recovered_from="hosts")
    begin_journal(session, journal)
    hosts = known.owed
    session.plan, session.plans = known.plan, {name: known.plans[name] for name in hosts}
    session.fleet = replace(session.fleet, agents={name: session.fleet.agents[name] for name in hosts})
    session.dead = dead_holders(known.run, known.statuses, options.steal_lock)
    session.record("run.started", hosts=list(hosts), purpose="rollback")


def arm_again(session: Session) -> None:
    """Arm the hosts' own revert for as long as they are between the versions; one that cannot be armed goes back all the same."""
    for problem in arm(session, [name for name in _not_back(session) if name in session.tokens]):
        session.record("failed", host=problem.host, phase=ROLLBACK.name, found=problem.found, next=problem.next)


def _not_back(session: Session) -> list[str]:
    return [name for name in session.hosts if not session.known.is_back(name)]


def take_back(session: Session) -> None:
    """Take the hosts back; raises MixedFleet with all that are not, those included that were not chosen."""
    problems: list[Problem] = []
    already = [name for name in session.hosts if session.known.is_back(name)]
    try:
        go_back(session, session.options.reason, session.hosts, already, session.lost)
    except MixedFleet as mixed:
        problems += mixed.problems
    release_leases(session)
    problems += leftover_hosts(session.targets, session.known)  # asked last: those that were chosen do not wait for it
    if problems:
        raise MixedFleet(problems)
    session.status = f"on {session.known.plan.service.old}"


# The way back itself, also that of a cutover whose gate said no.

TRIES_AGAIN = 1  # for hosts that did not answer when the others went back; after that a person decides when
BY_ITSELF = "the host's own revert"
BY_HAND = 'on the host: systemctl status of both units; roles/<service>/runbook.md, "rollback incomplete", has the way back by hand'


def go_back(
    session: Session,
    cause: str,
    hosts: Sequence[str] | None = None,
    already: Sequence[str] = (),
    lost: Sequence[Problem] = (),
) -> tuple[str, ...]:
    """Take hosts back (those on which phases 3-5 began, where None), and give them. Raises MixedFleet with the hosts that are not back.

    Those that are back `already`, by themselves or by an earlier rollback, are judged, and only taken back once more where
    they do not pass. `lost` are hosts that could not even be asked. Raises Locked where another controller has taken the run
    over: it is theirs to end.
    """
    touched = tuple(session.begun([phase.name for phase in COMMITTING]) if hosts is None else hosts)
    try:
        _go_back(session, cause, touched, already, lost)
    except (MixedFleet, Locked):
        raise
    except Exception as broken:
        # A full disk here, a bug of ours: the hosts it leaves behind must be named all the same.
        found = f"the way back was cut short here: {type(broken).__name__}: {broken}"
        raise MixedFleet([Problem(host=name, found=found, next=BY_HAND) for name in touched or ("",)]) from broken
    return touched


def _go_back(
    session: Session, cause: str, touched: tuple[str, ...], already: Sequence[str], lost: Sequence[Problem]
) -> None:
    session.journal.goes_on_unwritten = True
    session.record("rollback.started", hosts=list(touched), cause=cause)
    problems, silent = _round(session, touched, already)
    for _ in range(TRIES_AGAIN):
        if silent:
            time.sleep(TRY_AGAIN_S)
            more, silent = _round(session, [problem.host for problem in silent], already)
            problems += more
    problems += silent
    failed = {problem.host for problem in problems}
    back = [name for name in touched if name not in failed]
    owed = sorted({*failed, *(problem.host for problem in lost)})
    unconfirmed = _settle(session, [name for name in session.hosts if name not in failed], touched, cause, owed)
    session.record("rollback.finished", hosts=back, failed=sorted(failed), cause=cause)
    _remember(session, [*problems, *lost], set(back) - {problem.host for problem in unconfirmed})
    if problems or lost or unconfirmed:
        raise MixedFleet([*problems, *lost, *unconfirmed])


def _round(session: Session, hosts: Sequence[str], already: Sequence[str]) -> tuple[list[Problem], list[Problem]]:
    """Take hosts back that answer; gives what is wrong with them, and who did not answer."""
    taken, gone = regain(session)
    _take_over_reverts(session)
    if hosts and {problem.host for problem in taken} >= set(hosts):
        raise Locked(taken)
    silent = [problem for problem in gone if problem.host in hosts]
    going = [name for name in hosts if name not in {problem.host for problem in silent}]
    sound = _still_back(session, [name for name in going if name in already])
    left = [name for name in going if name not in sound]
    return (run_phase(session, ROLLBACK, left).problems if left else []), silent


def _take_over_reverts(session: Session) -> None:
    """Put into the journal what hosts did on their own way back, once: nothing else records what happened there, and for how long."""
    known = {
        (record.host, record.data["reverted_at"]) for record in session.journal.of("outcome") if "by" in record.data
    }
    for host in session.hosts:
        reverted = session.reverted.get(host)
        if reverted is None or (host, reverted["at"]) in known:
            continue
        words = {step.id: step.words for step in session.plans[host].of(ROLLBACK)}
        about = {"host": host, "phase": ROLLBACK.name, "by": BY_ITSELF, "reverted_at": reverted["at"]}
        session.journal.write_all(
            "outcome", [{**about, "words": words.get(one["id"], one["id"]), **one} for one in reverted["steps"]]
        )


def _still_back(session: Session, already: Sequence[str]) -> list[str]:
    """Those that the checks of the way back pass, and that can be left as they are."""
    if not already:
        return []
    shut = {problem.host for problem in recheck(session, ROLLBACK, already).problems}
    return [name for name in already if name not in shut]


def _settle(
    session: Session, hosts: Sequence[str], touched: Sequence[str], cause: str, owed: Sequence[str]
) -> list[Problem]:
    """Record on each host that it is back, and disarm its revert. One that failed keeps it: it will try again.

    Who is owed a rollback is recorded on every host that answers, so that another machine knows of it too.
    """
    state = {"status": ROLLBACK.name, "at": utc_now(), "cause": cause, **({"owed": list(owed)} if owed else {})}

    def settle(agent: HostAgent) -> None:
        token = session.token(agent.name)
        if agent.name in touched or owed:
            agent.record(token=token, run=session.run, state=state, head=session.journal.head)
        agent.disarm(token=token)

    outcomes = session.fleet.each(settle, [host for host in hosts if host in session.tokens], deadline=SETTLE_S)
    problems = [
        Problem(
            host=name,
            found=f"its own revert could not be disarmed: {outcome.error}",
            next=f"it may go back once more by itself; {BY_HAND}",
        )
        for name, outcome in outcomes.items()
        if outcome.error is not None
    ]
    for problem in problems:
        session.record("failed", host=problem.host, phase=ROLLBACK.name, found=problem.found, next=problem.next)
    # On the others the old service was never stopped.
    return [problem for problem in problems if problem.host in touched]


def _remember(session: Session, owed: Sequence[Problem], back: Iterable[str]) -> None:
    """Write down on this machine which hosts are owed a rollback, and strike out those that went back."""
    book = pending_rollbacks(session.root, session.environment, session.targets.service)
    book.remove(back)
    if owed:
        book.add(session.run, owed)
        hosts = sorted({problem.host for problem in owed})
        session.record(
            "rollback.owed", hosts=hosts, next=f"`./invokew rollback --hosts {':'.join(hosts)}` once they answer"
        )


# What a rollback of a part of a run leaves behind: the run's other hosts, which were not chosen.


def leftover_hosts(targets: Targets, known: Known) -> list[Problem]:
    """The hosts of a run that were not chosen and are not back, by what they say themselves; or that cannot say."""
    wanted = [host for hosts in known.plan.batches for host in hosts if host not in targets.names]
    return list(_leftover(targets, known, wanted)) if wanted else []


def _leftover(targets: Targets, known: Known, wanted: list[str]) -> Iterator[Problem]:
    run, pattern, service = known.run, shlex.quote(known.plan.pattern), known.plan.service
    mix = f"until then the fleet is a mix of {service.old} and {service.new}"
    next_ = f"`./invokew rollback --hosts {pattern} --run {run}` takes it back too; {mix}"
    silent: dict[str, str] = dict.fromkeys(wanted, "it is not in the inventory any more")
    try:
        with connected_as_far_as_possible(targets.others(wanted)) as (fleet, unreachable):
            statuses, unasked = ask(fleet)
        silent |= {problem.host: problem.found for problem in (*unreachable, *unasked)}
    except CutoverError as nobody:
        statuses = {}
        silent |= dict.fromkeys(wanted, nobody.problems[0].found) | {one.host: one.found for one in nobody.problems}
    for host in wanted:
        status = statuses.get(host)
        if status is None:
            found = f"it was not chosen, and whether run {run} left it on {service.new} is not known: {silent[host]}"
            yield Problem(host=host, found=found, next=next_)
        elif is_touched(status, run) and not is_settled_back(entry_of(status, run)):
            found = f"it was not chosen, and stays on {service.new}: run {run} was taken back on other hosts only"
            yield Problem(host=host, found=found, next=next_)
