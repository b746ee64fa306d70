"""A run under way: its hosts, its journal, its leases. What every phase is given."""

import getpass
import math
import os
import secrets
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from cutover.core.errors import CutoverError, ExitCode, Interrupted, Locked, Problem, Refused, UsageError
from cutover.core.step import State
from cutover.inventory.targets import Targets
from cutover.journal.journal import Journal
from cutover.journal.process_id import identity, is_dead
from cutover.plan.phases import COMMITTING, PREPARING
from cutover.plan.plan import HostPlan
from cutover.remote.agent import HOW_TO_STEAL, Fenced, HostAgent
from cutover.remote.fleet import Fleet, HostOutcome, as_problems, failures, raise_all
from cutover.remote.timeouts import ASK_S

# How a run's end comes into its journal, whatever ends it.


@contextmanager
def end_recorded(journal: Journal) -> Iterator[None]:
    """Write an end that is not success as the run's last record, with its exit code and its problems."""
    try:
        yield
    except CutoverError as end:
        problems = [problem.as_json() for problem in end.problems]
        journal.write("run.finished", exit_code=int(end.exit_code), status=type(end).__name__, problems=problems)
        raise


# Ctrl-C, SIGTERM and SIGHUP ask a run to stop. It stops where that is safe, not where it happens to be.
# The first is obeyed at the next safe place; a second is refused, since the safe path is under way; a third ends at once,
# and the hosts then go back by themselves.

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopSignal:
    """Remembers that a person wants the run to stop."""

    def __init__(self, say: Callable[[str], None] = lambda _words: None) -> None:
        self._asked = threading.Event()
        self._times = 0
        self._say = say

    @property
    def asked(self) -> bool:
        """Whether someone asked to stop."""
        return self._asked.is_set()

    def check(self) -> None:
        """A safe place: raise Interrupted if someone asked to stop."""
        if self.asked:
            raise Interrupted(Problem(found="interrupted", next="see the summary for where each host is"))

    def wait(self, seconds: float) -> None:
        """Wait, but not beyond a request to stop."""
        self._asked.wait(seconds)
        self.check()

    @contextmanager
    def watching(self) -> Iterator["StopSignal"]:
        """Catch the signals for the duration of a run (main thread only)."""
        # A run under nohup was told beforehand that its terminal may go; Ctrl-C and SIGTERM are always meant.
        heard = [one for one in SIGNALS if one is not signal.SIGHUP or signal.getsignal(one) is not signal.SIG_IGN]
        before = {number: signal.signal(number, self._on_signal) for number in heard}
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        self._times += 1
        self._asked.set()
        name = signal.Signals(number).name
        if self._times == 1:
            self._say(f"{name}: stopping at the next safe place")
        elif self._times == 2:
            self._say(
                f"{name} again: the safe path is under way, and cutting it short could leave a host in between; "
                "once more ends at once, and armed hosts go back by themselves"
            )
        else:
            os._exit(ExitCode.INTERRUPTED)


# The times of a run, in seconds, as the variables set them (roles/cutover/defaults.yml is where each default lives).

UPLOAD_S = 600.0  # for the release to reach the hosts
MISSED = 3  # renewals that fit into a deadline: two may be lost before a host takes its controller for dead


@dataclass(frozen=True)
class Times:
    """Deadlines and periods of one run."""

    lease: float
    confirm: float
    renew: float
    phase: float
    rollback_budget: float
    bake: float
    bake_every: float

    def run_ends(self, batches: int) -> float:
        """On time.monotonic(): when a run of so many batches, begun now, has taken longer than all its parts together may."""
        committing = len(COMMITTING) * self.phase + 2 * self.bake
        return time.monotonic() + UPLOAD_S + len(PREPARING) * self.phase + batches * committing


def times_of(targets: Targets) -> Times:
    """Read them from the variables; they concern the run, so they must be the same on all hosts, and they must not exclude each other."""

    def seconds(name: str) -> float:
        return float(str(targets.shared(name)))

    _must_fit(seconds("cutover_renew_s"), {name: seconds(name) for name in ("cutover_lease_s", "cutover_confirm_s")})
    return Times(
        lease=seconds("cutover_lease_s"),
        confirm=seconds("cutover_confirm_s"),
        renew=seconds("cutover_renew_s"),
        phase=seconds("cutover_phase_deadline_s"),
        rollback_budget=seconds("cutover_rollback_budget_s"),
        bake=seconds("cutover_bake_s"),
        bake_every=seconds("cutover_bake_every_s"),
    )


def _must_fit(renew: float, deadlines: dict[str, float]) -> None:
    """A host must hear of its controller several times before it gives it up, or one lost renewal would end the run."""
    problems = [
        Problem(
            path=name,
            found=f"cutover_renew_s is {renew:g} and {name} is {seconds:g}: {MISSED} x cutover_renew_s may not be more than {name}",
            next=f"set cutover_renew_s to at most {seconds / MISSED:.3g}, or {name} to at least {renew * MISSED:g}",
        )
        for name, seconds in deadlines.items()
        if MISSED * renew > seconds
    ]
    if problems:
        raise UsageError(problems)


@dataclass
class Session:
    """Everything that conducting a run needs. `contents` holds file texts by digest, secrets included, in memory only."""

    root: Path
    run: str
    service: str
    environment: str
    journal: Journal
    evidence: Path
    fleet: Fleet
    plans: Mapping[str, HostPlan]
    times: Times
    stop: StopSignal
    contents: Mapping[str, str] = field(default_factory=dict)
    artifact: Path | None = None
    tokens: dict[str, int] = field(default_factory=dict)
    dead: Mapping[str, str] = field(
        default_factory=dict
    )  # by host, the nonce of a dead holder whose lease is taken over
    inherited: Sequence[str] = ()  # hosts on which an earlier controller of this run began phases 3-5
    ends: float = math.inf  # on time.monotonic(): the deadline of the whole run
    had: set[str] = field(default_factory=set)  # hosts whose lease this session has had
    reverted: dict[str, Any] = field(default_factory=dict)  # by host, how it went back by itself, as it wrote it down
    nonce: str = field(
        default_factory=lambda: secrets.token_hex(8)
    )  # tells this session's leases from another's of the same run

    def check(self) -> None:
        """A safe place: raise Interrupted if someone asked to stop, Refused when the whole run has taken too long."""
        self.stop.check()
        if time.monotonic() > self.ends:
            found = "the run has taken longer than all its phases together may"
            raise Refused(Problem(found=found, next="see the times in the report; cutover_phase_deadline_s sets them"))

    @property
    def hosts(self) -> tuple[str, ...]:
        """All hosts of the run, in order."""
        return tuple(self.plans)

    def begun(self, phases: Sequence[str]) -> tuple[str, ...]:
        """Hosts on which any of these phases was begun, by the journal's intents and by what earlier controllers left."""
        touched = {record.host for record in self.journal.of("intent") if record.phase in phases}
        touched.update(self.inherited)
        return tuple(host for host in self.hosts if host in touched)

    def token(self, host: str) -> int:
        """The token of a host's lease; 0, which rules nowhere, where the lease is lost."""
        return self.tokens.get(host, 0)

    def lose(self, host: str, token: int, found: str) -> None:
        """A host refused a token: nothing more may be changed there under it. One taken anew meanwhile is kept."""
        if self.tokens.get(host) == token:
            del self.tokens[host]
            self.tell("lease.lost", host=host, found=found)

    def tell(self, kind: str, **data: Any) -> None:
        """Write to the journal."""
        self.journal.write(kind, **data)


# Hold every host of a run: take all leases or none, keep them alive, give them back.

REGAIN_S = 5.0  # the same on the way back, where those that answer wait for those that do not


def holder() -> str:
    """Who holds a lease, for people: user@machine and the process."""
    return f"{getpass.getuser()}@{socket.gethostname()} (process {os.getpid()})"


def refuse_held(statuses: Mapping[str, State]) -> None:
    """Raise Locked where a run holds a host; `statuses` are what the agents say, by host."""
    leases = {name: status["lease"] for name, status in statuses.items() if status["lease"]["held"]}
    if leases:
        raise Locked(
            Problem(
                host=name,
                found=f"run {lease['run']} of {lease['holder']} holds this host for {lease['seconds_left']} s more",
                next=f"stop it where it runs: Ctrl-C takes the safe path; a dead one's lease ends by itself, or {HOW_TO_STEAL}",
            )
            for name, lease in leases.items()
        )


def dead_holders(run: str | None, statuses: Mapping[str, State], steal: str = "") -> dict[str, str]:
    """By host, the nonce of a lease of this run (of any, where None) that may be taken over: its holder was here, and has ended.

    Or the holder is the one that a person names to `steal`, whatever its run and wherever its holder is.
    """
    leases = {name: status["lease"] for name, status in statuses.items() if status["lease"]["held"]}
    return {
        name: lease["nonce"]
        for name, lease in leases.items()
        if (run in (None, lease["run"]) and is_dead(lease.get("process", ""))) or (steal and lease["nonce"] == steal)
    }


def refuse_wrong_nonce(statuses: Mapping[str, State], steal: str) -> None:
    """Raise Locked where hosts are held and none of them by the holder whose nonce was given."""
    held_by = {name: status["lease"] for name, status in statuses.items() if status["lease"]["held"]}
    if steal and held_by and steal not in [lease["nonce"] for lease in held_by.values()]:
        raise Locked(
            Problem(
                host=name,
                path="--steal-lock",
                found=f"«{steal}» is not the nonce of run {lease['run']} of {lease['holder']}, which holds this host",
                next=HOW_TO_STEAL,
            )
            for name, lease in held_by.items()
        )


@contextmanager
def held(
    session: Session, plans: Mapping[str, Mapping[str, Any]] | None = None, *, all_or_none: bool = True
) -> Iterator[None]:
    """Take the leases of all hosts, renew them in the background, give them back in the end.

    On the way back a sick host must not keep the others from going (all_or_none=False); one that another run holds does.
    """
    _take(session, plans, all_or_none=all_or_none)
    keeper = Keeper(session)
    keeper.start()
    try:
        yield
    finally:
        keeper.stop()
        _give_back(session)


def regain(session: Session) -> tuple[list[Problem], list[Problem]]:
    """Take the leases again of hosts that locked the run out by going back themselves.

    Gives those that another has taken, and those that do not answer: not for long, since the others are waiting.

    All are asked: that a host did so may not have been noticed yet. One that is still ours gives the same token again;
    one that somebody else has had meanwhile is theirs, and a controller that comes back late changes nothing there.
    """
    outcomes = _begin(session, session.hosts, None, deadline=REGAIN_S)
    taken = {name: one for name, one in outcomes.items() if isinstance(one.error, Fenced | Locked)}
    return failures(taken), failures({name: one for name, one in outcomes.items() if name not in taken})


def _take(session: Session, plans: Mapping[str, Mapping[str, Any]] | None, *, all_or_none: bool) -> None:
    outcomes = _begin(session, session.hosts, plans)
    fatal = {
        name: one for name, one in outcomes.items() if one.error and (all_or_none or isinstance(one.error, Locked))
    }
    if fatal:
        _give_back(session)
    raise_all(fatal)


def _begin(
    session: Session, hosts: Sequence[str], plans: Mapping[str, Mapping[str, Any]] | None, deadline: float = ASK_S
) -> dict[str, HostOutcome[int]]:
    who, process = holder(), identity()

    def begin(agent: HostAgent) -> int:
        plan = None if plans is None else plans[agent.name]
        claim = {"process": process, "instead_of": session.dead.get(agent.name, ""), "again": agent.name in session.had}
        answer = agent.begin(
            run=session.run,
            holder=who,
            nonce=session.nonce,
            lease_s=session.times.lease,
            plan=plan,
            claim=claim,
            head=session.journal.head,
        )
        if answer["reverted"] is not None:
            session.reverted[agent.name] = answer["reverted"]
        return int(answer["lease"]["token"])

    outcomes = session.fleet.each(begin, hosts, deadline=deadline)
    session.tokens.update({name: outcome.value for name, outcome in outcomes.items() if outcome.value is not None})
    session.had.update(session.tokens)
    session.tell(
        "lease.taken", holder=who, tokens={name: session.tokens[name] for name in hosts if name in session.tokens}
    )
    return outcomes


def _give_back(session: Session) -> None:
    """Release what is held; a lease that cannot be given back ends by itself, and is told."""
    tokens = dict(session.tokens)
    outcomes = session.fleet.each(lambda agent: agent.release(token=tokens[agent.name]), list(tokens), deadline=ASK_S)
    failed = {name: str(outcome.error) for name, outcome in outcomes.items() if outcome.error is not None}
    session.tell("lease.released", hosts=[name for name in outcomes if name not in failed], failed=failed)
    session.tokens.clear()


class Keeper:
    """Renews leases and puts off armed reverts in the background, until stopped.

    One thread a host, outside the pool: neither work on a host nor another host that hangs may hold a renewal up.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._done = threading.Event()
        self._threads = [
            threading.Thread(target=self._keep, args=(name,), name=f"keeper-{name}", daemon=True)
            for name in session.hosts
        ]

    def start(self) -> None:
        """Begin renewing."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop renewing; returns when no renewal is under way any more."""
        self._done.set()
        end = time.monotonic() + ASK_S
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))

    def _keep(self, name: str) -> None:
        while not self._done.wait(self._session.times.renew):
            token = self._session.tokens.get(name)
            if token is not None:
                self._renew(name, token)

    def _renew(self, name: str, token: int) -> None:
        try:
            self._session.fleet.agents[name].renew(token=token, lease_s=self._session.times.lease)
        except Fenced as fenced:
            self._session.lose(name, token, str(fenced))
        except Exception as failure:  # noqa: BLE001 - it is tried again; the host's own clock decides when it is too late
            problem = as_problems(failure, name)[0]
            self._session.tell("lease.not_renewed", host=name, found=problem.found)
