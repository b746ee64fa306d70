"""The way back: every touched host returns to V1, verified, what V2 wrote kept aside. Works from any state of phases 3-5.

A host that does not answer keeps no other from going: it is tried again, and then owed a rollback, which is remembered here
and on the hosts that did answer.
"""

import shlex
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from cutover.core.errors import CutoverError, ExitCode, Locked, MixedFleet, Problem, Unreachable, UsageError
from cutover.inventory.targets import Targets
from cutover.journal.journal import Journal, read, utc_now
from cutover.journal.pending_rollbacks import pending_rollbacks
from cutover.journal.rundir import RunDir, RunDirs
from cutover.plan.phases import COMMITTING, ROLLBACK
from cutover.remote.agent import HostAgent
from cutover.remote.fleet import Fleet, connected_as_far_as_possible
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
from cutover.run.phase import arm, recheck, run_phase
from cutover.run.session import (
    Session,
    StopSignal,
    dead_holders,
    end_recorded,
    held,
    refuse_held,
    refuse_wrong_nonce,
    regain,
    times_of,
)

# What a rollback of a part of a run leaves behind: the run's other hosts, which were not chosen, and stay where they are.


def staying(targets: Targets, known: Known) -> list[Problem]:
    """The hosts of a run that were not chosen and are not back on V1, by what they say themselves; or that cannot say."""
    wanted = [host for hosts in known.plan.batches for host in hosts if host not in targets.names]
    return list(_staying(targets, known, wanted)) if wanted else []


def _staying(targets: Targets, known: Known, wanted: list[str]) -> Iterator[Problem]:
    run, pattern = known.run, shlex.quote(known.plan.pattern)
    next_ = f"`./invokew rollback --hosts {pattern} --run {run}` takes it back too; until then the fleet is a mix of V1 and V2"
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
            found = f"it was not chosen, and whether run {run} left it on V2 is not known: {silent[host]}"
            yield Problem(host=host, found=found, next=next_)
        elif is_touched(status, run) and not is_settled_back(entry_of(status, run)):
            found = f"it was not chosen, and stays on V2: run {run} was taken back on other hosts only"
            yield Problem(host=host, found=found, next=next_)


SETTLE_S = 60.0
TRIES_AGAIN = 1  # for hosts that did not answer when the others went back; after that a person decides when
TRY_AGAIN_S = 2.0
BY_ITSELF = "the host's own revert"
BY_HAND = "on the host: systemctl status of both units; docs/runbook.md, «rollback incomplete», says how to bring V1 back by hand"


@dataclass(frozen=True)
class Back:
    """How a rollback ended: the hosts that went back."""

    hosts: tuple[str, ...]


def go_back(
    session: Session,
    cause: str,
    hosts: Sequence[str] | None = None,
    already: Sequence[str] = (),
    lost: Sequence[Problem] = (),
) -> Back:
    """Take hosts back (those on which phases 3-5 began, where None). Raises MixedFleet with the hosts that are not back.

    Those that are back `already`, by themselves or by an earlier rollback, are judged, and only taken back once more where
    they do not pass. `lost` are hosts that could not even be asked. Raises Locked where another controller has taken the run
    over: it is theirs to end.
    """
    touched = tuple(session.begun([phase.name for phase in COMMITTING]) if hosts is None else hosts)
    try:
        return _go_back(session, cause, touched, already, lost)
    except (MixedFleet, Locked):
        raise
    except (
        Exception
    ) as broken:  # a full disk here, a bug of ours: the hosts it leaves behind must be named all the same
        found = f"the way back was cut short here: {type(broken).__name__}: {broken}"
        raise MixedFleet([Problem(host=name, found=found, next=BY_HAND) for name in touched or ("",)]) from broken


def _go_back(
    session: Session, cause: str, touched: tuple[str, ...], already: Sequence[str], lost: Sequence[Problem]
) -> Back:
    session.journal.goes_on_unwritten = True
    session.tell("rollback.started", hosts=list(touched), cause=cause)
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
    session.tell("rollback.finished", hosts=back, failed=sorted(failed), cause=cause)
    _remember(session, [*problems, *lost], set(back) - {problem.host for problem in unconfirmed})
    if problems or lost or unconfirmed:
        raise MixedFleet([*problems, *lost, *unconfirmed])
    return Back(touched)


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
    """Put into the journal what hosts did on their own way back, once: nothing else tells what happened there, and for how long."""
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
    """Leave word on each host that it is back, and take its own revert away. One that failed keeps it: it will try again.

    Who is owed a rollback is left on every host that answers, so that another machine knows of it too.
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
            found=f"its own revert could not be taken away: {outcome.error}",
            next=f"it may go back once more by itself; {BY_HAND}",
        )
        for name, outcome in outcomes.items()
        if outcome.error is not None
    ]
    for problem in problems:
        session.tell("failed", host=problem.host, phase=ROLLBACK.name, found=problem.found, next=problem.next)
    return [problem for problem in problems if problem.host in touched]  # on the others V1 was never stopped


def _remember(session: Session, owed: Sequence[Problem], back: Iterable[str]) -> None:
    """Write down on this machine which hosts are owed a rollback, and strike out those that went back."""
    book = pending_rollbacks(session.root, session.environment)
    book.remove(back)
    if owed:
        book.add(session.run, owed)
        hosts = sorted({problem.host for problem in owed})
        session.tell(
            "rollback.owed", hosts=hosts, next=f"`./invokew rollback --hosts {':'.join(hosts)}` once they answer"
        )


# `rollback` and `abort`: go back to V1 from any state, from any machine with the same inventory.

Approve = Callable[[Known, tuple[str, ...]], None]
Listen = Callable[[RunDir, Journal], None]


@dataclass(frozen=True)
class RollbackRequest:
    """What was asked for: which run (the newest with a host to settle, where none is named), why, and who is to be heard.

    With `resume`, only a run whose way back was begun already; `steal` is the nonce of a holder that is to lose its hosts.
    """

    run: str
    reason: str
    approve: Approve
    listen: Listen
    stop: StopSignal
    resume: bool = False
    steal: str = ""

    def wants(self, known: Known, runs: RunDirs) -> bool:
        """Whether a run is one to go back from."""
        begun = any(known.rolled_back(host) for host in known.plans)
        return bool(known.owed) and (not self.resume or begun or _begun_here(RunDir(runs.root / known.run)))


def rollback(targets: Targets, runs: RunDirs, asked: RollbackRequest) -> tuple[str, ...]:
    """Take every touched host of a run back to V1, verified. Gives the hosts; none: nothing to do.

    Those that went back by themselves are judged, and count as settled from then on. Hosts that cannot be asked are left out,
    and told in the end with exit 5: whether they are on V2 is not known. So are hosts of the run that were not chosen and stay
    on V2. A host that another run holds ends it before anything is done (exit 6); a holder that has died on this machine is
    taken for what it is.
    """
    try:
        return _rollback(targets, runs, asked)
    except Unreachable as nobody:  # which is no «V1 is as it was»
        raise MixedFleet(_unknown(problem) for problem in nobody.problems) from nobody


def _unknown(problem: Problem) -> Problem:
    return replace(problem, found=f"{problem.found}; whether it is on V2 is not known")


def _rollback(targets: Targets, runs: RunDirs, asked: RollbackRequest) -> tuple[str, ...]:
    with connected_as_far_as_possible(targets) as (fleet, unreachable):
        known, silent = known_run(fleet, asked.run, lambda candidate: asked.wants(candidate, runs))
        unknown = [_unknown(problem) for problem in (*unreachable, *silent)]
        statuses = known.statuses if known is not None else ask(fleet)[0]
        refuse_wrong_nonce(statuses, asked.steal)
        settle_what_is(pending_rollbacks(targets.root, targets.environment), statuses)
        if known is None or not asked.wants(known, runs):
            dead = dead_holders(None, statuses, asked.steal)
            refuse_held({host: one for host, one in statuses.items() if host not in dead})
            if unknown:
                raise MixedFleet(unknown)
            return ()
        if not asked.resume:
            asked.approve(known, known.owed)
        _settle_back(targets, runs, asked, fleet, known, unknown)
    asked.stop.check()
    return known.owed


def _begun_here(directory: RunDir) -> bool:
    """Whether a rollback of the run was begun or approved on this machine: it may not have come to a batch on any host."""
    try:
        records = read(directory.journal_file) if directory.journal_file.exists() else []
    except UsageError:  # altered: journal_of sets it aside, and the hosts alone say what was begun
        return False
    return any(record.kind == "rollback.started" or record.data.get("purpose") == ROLLBACK.name for record in records)


def _settle_back(
    targets: Targets, runs: RunDirs, asked: RollbackRequest, fleet: Fleet, known: Known, unknown: list[Problem]
) -> None:
    directory = directory_of(runs, known)
    journal = journal_of(directory, known, targets, steal=bool(asked.steal))
    try:
        asked.listen(directory, journal)
        session = Session(
            root=targets.root, run=known.run, service=known.plan.service.name,
                environment=targets.environment, journal=journal, evidence=directory.evidence,
            fleet=replace(fleet, agents={name: fleet.agents[name] for name in known.owed}),
            plans={name: known.plans[name] for name in known.owed}, times=times_of(targets), stop=asked.stop,
            dead=dead_holders(known.run, known.statuses, asked.steal),
        )  # fmt: skip
        already = tuple(name for name in known.owed if known.is_back(name))
        _go(session, known.owed, asked.reason, unknown, already, lambda: staying(targets, known))
    finally:
        journal.close()


def journal_of(directory: RunDir, known: Known, targets: Targets, *, steal: bool = False) -> Journal:
    """The run's journal. One that was altered or cut is set aside rather than trusted, and rather than keep V1 from coming back.

    So is one that a process still holds whose hosts are taken from it.
    """
    try:
        journal = directory.journal()
        journal.refuse_cut([head for host in known.plans for head in (known.entry(host) or {}).get("heads", ())])
    except (UsageError, Locked) as unusable:
        if isinstance(unusable, Locked) and not steal:
            raise
        aside = directory.journal_file.with_name(f"journal-set-aside-{utc_now()}.jsonl")
        directory.journal_file.rename(aside)
        journal = directory.journal()
        journal.write("journal.set_aside", as_=aside.name, found=str(unusable))
    if not journal.of("run.created"):
        about = {"run": known.run, "environment": targets.environment, "pattern": targets.options.hosts}
        journal.write("run.created", **about, recovered_from="hosts")
    return journal


def _go(
    session: Session,
    hosts: tuple[str, ...],
    reason: str,
    unknown: list[Problem],
    already: tuple[str, ...] = (),
    staying: Callable[[], list[Problem]] = list,
) -> None:
    session.tell("run.started", hosts=list(hosts), purpose="rollback")
    with end_recorded(session.journal):
        try:
            with held(session, all_or_none=False):
                going = [name for name in hosts if name in session.tokens and name not in already]
                for problem in arm(session, going):
                    session.tell(
                        "failed", host=problem.host, phase=ROLLBACK.name, found=problem.found, next=problem.next
                    )
                go_back(session, reason, hosts, already, unknown)
        except MixedFleet as mixed:
            raise MixedFleet([*mixed.problems, *staying()]) from mixed
        if left := staying():  # asked when those that were chosen are back: they do not wait for it
            raise MixedFleet(left)
    session.tell("run.finished", exit_code=int(ExitCode.DONE), status="on V1")
