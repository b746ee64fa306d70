"""The way back: every touched host returns to the old release, verified, what the new one wrote kept aside. From any state of phases 3-5.

A host that does not answer keeps no other from going: it is tried again, and then owed a rollback, which is remembered here
and on the hosts that did answer.
"""

import shlex
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

from cutover.console.ask import confirm, progress
from cutover.core.errors import CutoverError, ExitCode, Locked, MixedFleet, Problem, Refused, Unreachable, UsageError
from cutover.core.step import State
from cutover.inventory.targets import Targets
from cutover.journal.journal import read, utc_now
from cutover.journal.pending_rollbacks import pending_rollbacks
from cutover.journal.rundir import RunDir
from cutover.plan.phases import ROLLBACK
from cutover.remote.agent import HostAgent
from cutover.remote.fleet import raise_all, reached
from cutover.remote.timeouts import ASK_S, REGAIN_S, SETTLE_S, TRY_AGAIN_S, times_of
from cutover.run.history import HostRun, Known, ask, directory_of, known_run, remembered_if_possible, settle_what_is
from cutover.run.leases import (
    dead_holders,
    holder,
    identity,
    refuse_living_holders,
    refuse_wrong_nonce,
    regain,
    take_leases_as_far_as_possible,
)
from cutover.run.options import RunOptions
from cutover.run.phase import arm, recheck, run_phase
from cutover.run.session import Session, begin_journal, follow

ABORT = "abort"  # the command that leaves a confirmed run alone


def rollback(session: Session) -> tuple[str, ...]:
    """Take every touched host of a run back to the old release, verified. Gives the hosts; none: nothing to do.

    Hosts that went back by themselves are judged, and count as settled from then on. MixedFleet (5) names the hosts that cannot
    be asked or that another run holds, of which nobody knows whether they are on the new release, and those that were not chosen
    and stay there. Locked (6) where another run holds all that answer. A holder that has died on this machine holds nothing.
    """
    story = (
        find_run_or_end, approve, open_found_journal, take_leases_as_far_as_possible, look_again_or_end, arm_again, take_back,
    )  # fmt: skip
    follow(session, story)
    session.stop.check()
    return session.hosts if session.status else ()


def find_run_or_end(session: Session) -> bool:
    """Connect to the hosts that can be reached, and find the run to go back from; True where there is none."""
    targets, options = session.targets, session.options
    session.fleet, unreachable = session.resources.enter_context(reached(targets))
    known, silent = known_run(session.fleet, targets, options.run, lambda candidate: wants_back(options, candidate))
    session.lost = tuple(
        replace(problem, found=f"{problem.found}; whether it is on the new release is not known")
        for problem in (*unreachable, *silent)
    )
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
    """Whether a run is one to go back from: with `--resume` one whose way back was begun, with `abort` one that is not confirmed."""
    begun = bool(known.going_back) or (options.resume and _begun_here(options.directory(known.run)))
    meant = begun or (not options.resume and (options.command != ABORT or known.unconfirmed))
    return bool(known.owed) and meant


def _begun_here(directory: RunDir) -> bool:
    """Whether a rollback of the run was begun or approved on this machine: it may not have come to a batch on any host."""
    try:
        records = read(directory.journal_file) if directory.journal_file.exists() else []
    except UsageError:  # altered: open_found_journal sets it aside, and the hosts alone say what was begun
        return False
    return any(record.kind == "rollback.started" or record.data.get("purpose") == ROLLBACK.name for record in records)


def approve(session: Session) -> None:
    """Have a person approve the way back; a rollback that is resumed was approved before."""
    session.ask.run_id = session.known.run
    for name in session.known.anew:
        words = "; ".join(step.words for step in session.known.plans[name].of(ROLLBACK))
        progress(f"{name}: nobody signed the plan that it keeps; its way back by roles and inventory: {words}")
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
        journal.refuse_cut(known.heads)
    except (UsageError, Locked) as unusable:
        if isinstance(unusable, Locked) and not options.steal_lock:
            raise
        aside = directory.journal_file.with_name(f"journal-set-aside-{utc_now()}.jsonl")
        directory.journal_file.rename(aside)
        journal = directory.journal()
        journal.goes_on_unwritten = True
        journal.write("journal.set_aside", as_=aside.name, found=str(unusable))
    journal.goes_on_unwritten = True
    journal.reserve(len(known.hosts))  # where there is none, the way back goes on unwritten
    begin_journal(session, journal, pattern=session.targets.options.hosts, recovered_from="hosts")
    hosts = known.at_stake
    session.plan, session.plans = known.plan, {name: known.plans[name] for name in hosts}
    session.fleet = replace(session.fleet, agents={name: session.fleet.agents[name] for name in hosts})
    session.dead = dead_holders(known.run, known.statuses, options.steal_lock)
    session.record("run.started", hosts=list(known.owed), purpose="rollback")


def look_again_or_end(session: Session) -> bool:
    """Look again, now that nobody else changes these hosts: the run went on until they were taken. True: nothing is left to undo."""
    outcomes = session.fleet.each(lambda agent: agent.status(), list(session.tokens), deadline=ASK_S)
    seen = {name: one.value for name, one in outcomes.items() if one.value is not None}
    known = session.known = replace(session.known, statuses={**session.known.statuses, **seen})
    hosts = known.owed if wants_back(session.options, known) else ()
    if not hosts:
        session.record("run.finished", exit_code=int(ExitCode.DONE), status="settled meanwhile")
        return True
    if spared := [name for name in session.hosts if name not in hosts]:
        progress(f"{', '.join(spared)}: released; the old release was not touched there")
    session.plans = {name: known.plans[name] for name in hosts}
    session.inherited, session.already = hosts, [name for name in hosts if known.at(name).back]
    return False


def arm_again(session: Session) -> None:
    """Arm the hosts' own revert for as long as they are between the versions; one that cannot be armed goes back all the same."""
    for problem in arm(session, [name for name in session.tokens if name not in session.already], REGAIN_S):
        session.record_failed(ROLLBACK, problem)


def take_back(session: Session) -> None:
    """Take the hosts back; raises MixedFleet with all that are not, those included that were not chosen."""
    problems: list[Problem] = []
    try:
        go_back(session, session.options.reason)
    except MixedFleet as mixed:
        problems += mixed.problems
    session.leases.close()
    problems += leftover_hosts(session.targets, session.known)  # asked last: those that were chosen do not wait for it
    if problems:
        raise MixedFleet(problems)
    session.status = f"on {session.known.plan.service.old}"


# The way back itself, also that of a cutover whose gate said no.

BY_ITSELF = "the host's own revert"
BY_HAND = 'on the host: systemctl status of both units; roles/<service>/runbook.md, "rollback incomplete", has the way back by hand'


def go_back(session: Session, cause: str) -> tuple[str, ...]:
    """Take every touched host back, and give them. Raises MixedFleet with all hosts that are not known to be back.

    Those that were back already are judged, and only taken back once more where they do not pass. Raises Locked where another
    controller has taken the run over: it is theirs to end.
    """
    hosts = session.touched
    try:
        _go_back(session, hosts, cause)
    except (MixedFleet, Locked):
        raise
    except Exception as broken:
        # A full disk here, a bug of ours: the hosts it leaves behind must be named all the same.
        found = f"the way back was cut short here: {type(broken).__name__}: {broken}"
        raise MixedFleet([Problem(host=name, found=found, next=BY_HAND) for name in hosts or ("",)]) from broken
    return hosts


def _go_back(session: Session, hosts: Sequence[str], cause: str) -> None:
    session.journal.goes_on_unwritten = True
    session.record("rollback.started", hosts=list(hosts), cause=cause)
    problems, silent = _take_back_who_answers(session, hosts)
    if silent:  # once more; after that a person decides when
        time.sleep(TRY_AGAIN_S)
        try:
            more, silent = _take_back_who_answers(session, [problem.host for problem in silent])
        except Locked as taken:  # theirs, but not the others' end
            more, silent = list(taken.problems), []
        problems += more
    failed = {problem.host for problem in (*problems, *silent)}
    owed = [*problems, *silent, *session.lost]
    unconfirmed = _settle(session, [name for name in session.hosts if name not in failed], hosts, cause, owed)
    back = [name for name in hosts if name not in failed]
    session.record("rollback.finished", hosts=back, failed=sorted(failed), cause=cause)
    book = pending_rollbacks(session.options.root, session.environment, session.targets.service)
    with remembered_if_possible(book):
        book.remove(set(back) - {problem.host for problem in unconfirmed})
        book.add(session.run, owed)
    if owed:
        names = sorted({problem.host for problem in owed})
        next_ = f"`./invokew rollback --hosts {':'.join(names)}` once they answer"
        session.record("rollback.owed", hosts=names, next=next_)
    if owed or unconfirmed:
        raise MixedFleet([*owed, *unconfirmed])


def _take_back_who_answers(session: Session, hosts: Sequence[str]) -> tuple[list[Problem], list[Problem]]:
    """Take hosts back that answer; gives what is wrong with them, and who did not answer."""
    taken, gone = regain(session)
    _take_over_reverts(session)
    if hosts and {problem.host for problem in taken} >= set(hosts):
        raise Locked(taken)
    taken, silent = ([problem for problem in some if problem.host in hosts] for some in (taken, gone))
    answer = [name for name in hosts if name not in {problem.host for problem in (*taken, *silent)}]
    already = [name for name in answer if name in session.already]
    shut = {problem.host for problem in recheck(session, ROLLBACK, already).problems} if already else set()
    left = [name for name in answer if name not in already or name in shut]
    return [*taken, *(run_phase(session, ROLLBACK, left).problems if left else [])], silent


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


def _settle(
    session: Session, hosts: Sequence[str], touched: Sequence[str], cause: str, owed: Sequence[Problem]
) -> list[Problem]:
    """Record on each host that it is back, and disarm its revert; gives those of the touched where that failed.

    Who is owed a rollback is recorded on every host that answers, so that another machine knows of it too.
    """
    state: State = {"status": ROLLBACK.name, "at": utc_now(), "cause": cause}
    if owed:
        state["owed"] = sorted({problem.host for problem in owed})

    def settle(agent: HostAgent) -> None:
        token = session.token(agent.name)
        if agent.name in touched or owed:
            agent.record(token=token, run=session.run, state=state, head=session.journal.head)
        agent.disarm(token=token)

    outcomes = session.fleet.each(settle, [host for host in hosts if host in session.tokens], deadline=SETTLE_S)
    next_ = f"it may go back once more by itself; {BY_HAND}"
    problems = [
        Problem(host=name, found=f"its own revert could not be disarmed: {outcome.error}", next=next_)
        for name, outcome in outcomes.items()
        if outcome.error is not None
    ]
    for problem in problems:
        session.record_failed(ROLLBACK, problem)
    return [
        problem for problem in problems if problem.host in touched
    ]  # on the others the old service was never stopped


# What a rollback of a part of a run leaves behind: the run's other hosts, which were not chosen.


def leftover_hosts(targets: Targets, known: Known) -> list[Problem]:
    """The hosts of a run that were not chosen and are not back, by what they say themselves; or that cannot say."""
    wanted = [host for hosts in known.plan.batches for host in hosts if host not in targets.names]
    if not wanted:
        return []
    try:
        with reached(targets.others(wanted)) as (fleet, unreachable):
            statuses, silent = ask(fleet)
        why = {problem.host: problem.found for problem in (*unreachable, *silent)}
    except CutoverError as wrong:  # their variables are wrong today
        statuses, why = {}, dict.fromkeys(wanted, wrong.problems[0].found)
    run, pattern, service = known.run, shlex.quote(known.plan.pattern), known.plan.service
    mix = f"until then the fleet is a mix of {service.old} and {service.new}"
    next_ = f"`./invokew rollback --hosts {pattern} --run {run}` takes it back too; {mix}"
    problems: list[Problem] = []
    for host in wanted:
        if host not in statuses:
            said = why.get(host, "it is not in the inventory any more")
            found = f"it was not chosen, and whether run {run} left it on {service.new} is not known: {said}"
        elif HostRun.of(statuses[host], run).owed:
            found = f"it was not chosen, and stays on {service.new}: run {run} was taken back on other hosts only"
        else:
            continue
        problems.append(Problem(host=host, found=found, next=next_))
    return problems


# `abort` where nothing is to be undone: a run whose controller is gone gives its hosts back.


def give_up(targets: Targets, options: RunOptions) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Release all hosts that a run left held before phase 3, or when it was confirmed (just the one that is named, where one is).

    Gives those of the former by run, and by run all that stay on the new release. Raises Locked for a host whose holder may be
    alive, unless it is the one to steal from; Refused for one where the run went on until it was taken.
    """
    with reached(targets) as (fleet, unreachable):
        statuses, silent = ask(fleet)
        runs = left_held(statuses, options.run)
        refuse_living_holders({host: statuses[host] for host in runs}, options.steal_lock)
        dead, lease_s = dead_holders(None, statuses, options.steal_lock), times_of(targets).lease

        def release(agent: HostAgent) -> State:
            """Take the lease over, so that whoever had it is fenced, and give it back."""
            claim = {"process": identity(), "instead_of": dead.get(agent.name, "")}
            nonce = f"abort {identity()}"
            taken = agent.begin(run=runs[agent.name], holder=holder(), nonce=nonce, lease_s=lease_s, claim=claim)
            token = int(taken["lease"]["token"])
            try:
                now = agent.status()
                if not _at_rest(now, runs[agent.name]):
                    found = f"run {runs[agent.name]} went on to stop the old release here before it was taken over"
                    next_ = f"give the same command again: it takes {agent.name} back"
                    raise Refused(Problem(found, next_, agent.name))
                # It waits for the step that may still be at work; the next one is refused.
                agent.disarm(token=token)
                return now
            finally:
                agent.release(token=token)

        taken = fleet.each(release, list(runs), deadline=ASK_S)
        raise_all(taken)
        statuses |= {host: outcome.unwrap() for host, outcome in taken.items()}
        if lost := [*unreachable, *silent]:
            raise Unreachable(lost)
    given_up: dict[str, list[str]] = {}
    for host, run in runs.items():
        if not HostRun.of(statuses[host], run).touched:
            given_up.setdefault(run, []).append(host)
    for run, hosts in given_up.items():
        _record_given_up(options.directory(run), hosts)
    return given_up, confirmed_hosts(statuses)


def confirmed_hosts(statuses: Mapping[str, State]) -> dict[str, list[str]]:
    """Hosts that stay on the new release, by the run that brought it."""
    stay: dict[str, list[str]] = {}
    for host, status in statuses.items():
        runs = sorted((entry["run"] for entry in status["runs"]), reverse=True)
        last = next((run for run in runs if HostRun.of(status, run).touched), "")
        if last and HostRun.of(status, last).confirmed:
            stay.setdefault(last, []).append(host)
    return stay


def left_held(statuses: Mapping[str, State], run: str) -> dict[str, str]:
    """Hosts that a run (just the one that is named, where one is) took and never gave back, and that are at rest; with the run."""
    held = {host: status["lease"]["run"] for host, status in statuses.items() if not status["lease"]["released"]}
    return {host: of for host, of in held.items() if of and run in ("", of) and _at_rest(statuses[host], of)}


def _at_rest(status: State, run: str) -> bool:
    """Whether a run never came to phase 3 on a host, or has confirmed it."""
    host = HostRun.of(status, run)
    return not host.touched or (host.confirmed and not host.armed)


def _record_given_up(directory: RunDir, hosts: list[str]) -> None:
    """The end of the run in its journal, where it began on this machine: there is nothing to go on with any more."""
    if not directory.journal_file.exists():
        return
    try:
        journal = directory.journal()
    except Locked:  # the holder that was robbed still has it: it will find itself fenced, and write its own end
        return
    try:
        journal.write("lease.released", hosts=hosts, failed={})
        journal.write("run.finished", exit_code=int(ExitCode.DONE), status="given up")
    finally:
        journal.close()
