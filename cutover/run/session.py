"""A run under way: the one value that every step of a story is given, and that each step adds to."""

import os
import secrets
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from cutover.console.ask import Ask, progress
from cutover.console.events import Log
from cutover.console.live import Console
from cutover.core.errors import CutoverError, ExitCode, Interrupted, Problem, Refused
from cutover.core.step import State
from cutover.inventory.targets import Targets
from cutover.journal.journal import Journal
from cutover.journal.rundir import RunDir
from cutover.notify.listener import Announcer, Notices, earlier_runs
from cutover.plan.gate import Finding
from cutover.plan.phases import COMMITTING, PREPARING, Phase
from cutover.plan.plan import HostPlan, Plan
from cutover.remote.fleet import Fleet, HostOutcome
from cutover.remote.timeouts import UPLOAD_S, Times, times_of
from cutover.run.checklist import Polling
from cutover.run.options import RunOptions

if TYPE_CHECKING:
    from cutover.run.history import Known

# Ctrl-C, SIGTERM and SIGHUP ask a run to stop. It stops where that is safe, not where it happens to be.
# The first is obeyed at the next safe place; a second is refused, since the safe path is under way; a third ends at once,
# and the hosts then go back by themselves.

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopSignal:
    """Remembers that a person wants the run to stop."""

    def __init__(self, say: Callable[[str], None] = progress) -> None:
        self._asked = threading.Event()
        self._times = 0
        self.say = say

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
        # A run under nohup knows that its terminal may go; Ctrl-C and SIGTERM are always meant.
        caught = [one for one in SIGNALS if one is not signal.SIGHUP or signal.getsignal(one) is not signal.SIG_IGN]
        # A handler only notes: it may interrupt what holds the lock that setting an event or writing to stderr needs.
        noted: SimpleQueue[int] = SimpleQueue()
        listener = threading.Thread(target=self._listen, args=(noted,), daemon=True)
        listener.start()
        before = {number: signal.signal(number, lambda number, _: noted.put(number)) for number in caught}
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            noted.put(0)
            listener.join()

    def _listen(self, noted: SimpleQueue[int]) -> None:
        for number in iter(noted.get, 0):
            self.hear(number)

    def hear(self, number: int) -> None:
        """What a signal asks for; the third ends this process."""
        self._times += 1
        self._asked.set()
        name = signal.Signals(number).name
        if self._times == 1:
            self.say(f"{name}: stopping at the next safe place")
        elif self._times == 2:
            self.say(
                f"{name} again: the safe path is under way, and cutting it short could leave a host in between; "
                "once more ends at once, and armed hosts go back by themselves"
            )
        else:
            os._exit(ExitCode.INTERRUPTED)


@dataclass(frozen=True)
class Reached:
    """Where phases 3-5 stopped: the batch, and the phase of it that is done again. Everything before that was gated."""

    batch: int = 0
    phase: int = 0


@dataclass
class Session:
    """What was asked for, and what the steps of the story have added so far.

    What has no default is set by the step that is named for it; a step that needs it comes after that one.
    """

    ask: Ask
    options: RunOptions
    targets: Targets
    announcer: Announcer | None = None
    stop: StopSignal = field(default_factory=StopSignal)
    poll: Polling | None = None  # the checklist; None where nobody is polled

    directory: RunDir = field(init=False)
    journal: Journal = field(init=False)
    console: Console | None = None  # from here on a run is shown: its journal is open
    log: Log = field(init=False)
    fleet: Fleet = field(init=False)
    plan: Plan = field(init=False)
    plans: Mapping[str, HostPlan] = field(init=False)  # of the hosts that are worked on, in order
    approval: State | None = None  # signed, for hosts to keep with their plan; None where nobody signs plans
    contents: Mapping[str, str] = field(default_factory=dict)  # file texts by digest, secrets included, in memory only
    artifact: Path | None = None
    facts_found: Sequence[Finding] = ()  # in phase 0, which proves lines of the checklist
    ends: float = float("inf")  # on time.monotonic()
    status: str = ""  # how far the run has come; it is the run's end when the story is over

    # Of a run that was found on the hosts, for `--resume` and `rollback`.
    known: "Known" = field(init=False)
    lost: tuple[Problem, ...] = ()  # hosts that could not be asked
    inherited: Sequence[str] = ()  # hosts on which an earlier controller of this run began phases 3-5
    already: Sequence[str] = ()  # those of them that are back, by themselves or by an earlier rollback
    reached: Reached = Reached()

    # Leases. `dead`: by host, the nonce of a dead holder whose lease is taken over; `had`: hosts whose lease this session had once.
    tokens: dict[str, int] = field(default_factory=dict)
    dead: Mapping[str, str] = field(default_factory=dict)
    had: set[str] = field(default_factory=set)
    elsewhere: dict[str, HostOutcome[int]] = field(default_factory=dict)  # another run held them when this one began
    reverted: dict[str, State] = field(default_factory=dict)  # what hosts say of their own way back
    nonce: str = field(default_factory=lambda: secrets.token_hex(8))  # another than that of any other session
    leases: ExitStack = field(default_factory=ExitStack)  # gives them back
    resources: ExitStack = field(default_factory=ExitStack)  # what is closed when the story is over, the last first

    @property
    def run(self) -> str:
        """The run's id."""
        return self.directory.id

    @property
    def environment(self) -> str:
        """The environment's name."""
        return self.targets.environment

    @property
    def hosts(self) -> tuple[str, ...]:
        """The hosts that are worked on, in order."""
        return tuple(self.plans)

    @property
    def batches(self) -> list[tuple[str, ...]]:
        """The batches of the plan, with the hosts that are worked on."""
        return [tuple(host for host in batch if host in self.plans) for batch in self.plan.batches]

    @cached_property
    def times(self) -> Times:
        """Deadlines and periods, from the variables."""
        return times_of(self.targets)

    def take_plan(self, plan: Plan, contents: Mapping[str, str], artifact: Path | None) -> None:
        """From here on the run is about this plan, and works on all its hosts."""
        self.plan, self.plans, self.contents, self.artifact = plan, plan.hosts, contents, artifact

    def start_clock(self) -> None:
        """From now on the run may take as long as all its parts together may, and no longer."""
        committing = len(COMMITTING) * self.times.phase + 2 * self.times.bake
        preparing = UPLOAD_S + len(PREPARING) * self.times.phase
        self.ends = time.monotonic() + preparing + len(self.plan.batches) * committing

    def check(self) -> None:
        """A safe place: raise Interrupted if someone asked to stop, Refused when the whole run has taken too long."""
        self.stop.check()
        if time.monotonic() > self.ends:
            found = "the run has taken longer than all its phases together may"
            raise Refused(Problem(found=found, next="see the times in the report; cutover_phase_deadline_s sets them"))

    @property
    def touched(self) -> tuple[str, ...]:
        """Hosts on which phases 3-5 were begun, by the journal's intents and by what earlier controllers left."""
        committing = {phase.name for phase in COMMITTING}
        begun = {record.host for record in self.journal.of("intent") if record.phase in committing}
        return tuple(host for host in self.hosts if host in begun or host in self.inherited)

    def token(self, host: str) -> int:
        """The token of a host's lease; 0, which rules nowhere, where the lease is lost."""
        return self.tokens.get(host, 0)

    def lose(self, host: str, token: int, found: str) -> None:
        """A host refused a token: nothing more may be changed there under it. One taken anew meanwhile is kept."""
        if self.tokens.get(host) == token:
            del self.tokens[host]
            self.record("lease.lost", host=host, found=found)

    def record(self, kind: str, **data: Any) -> None:
        """Write to the journal."""
        self.journal.write(kind, **data)

    def record_failed(self, phase: Phase, problem: Problem) -> None:
        """Write that something failed on a host, so that what happened there is not known."""
        self.record("failed", host=problem.host, phase=phase.name, found=problem.found, next=problem.next)


# A story is a tuple of steps, taken in their order. What goes wrong raises. A step that returns True ends the story there.

StoryStep = Callable[[Session], bool | None]


def follow(session: Session, story: Sequence[StoryStep]) -> None:
    """Take the steps of a story. However it ends: leases are released, connections closed, the end is in the journal, which is closed."""
    with session.resources, session.leases:
        for step in story:
            if step(session):
                break


def open_journal(session: Session) -> None:
    """Open the journal of the run; console, log file and notices to people follow it from here on."""
    begin_journal(session, session.directory.journal(), pattern=session.targets.options.hosts)


def begin_journal(session: Session, journal: Journal, **about: str) -> None:
    """Take an open journal as the run's own. `about` is for its first record, where it has none yet."""
    session.journal = journal
    session.resources.callback(journal.close)
    session.ask.run_id = session.run
    show_journal(session)
    if not journal.of("run.created"):
        targets = session.targets
        about |= {"service": targets.service, "environment": targets.environment, "inventory": targets.place}
        session.record("run.created", run=session.run, **about)
    session.resources.enter_context(recorded_end(session))


def show_journal(session: Session) -> None:
    """Have console, log file and people follow the journal."""
    ask, journal = session.ask, session.journal
    live = False if ask.json else None
    session.console = Console(ask.stream, live=live, verbose=ask.verbose, history=journal.records)
    session.resources.callback(session.console.close)
    session.stop.say = session.console.say
    session.log = Log(session.options.root / "logs", session.run, session.environment, session.console.say)
    journal.listen(session.log)
    journal.listen(session.console)
    if session.announcer is not None:  # last: the others get what it writes after what it is about
        earlier = earlier_runs(session.options.runs, session.environment, session.targets.service)
        journal.listen(Notices(session.announcer, journal, session.environment, earlier))


@contextmanager
def recorded_end(session: Session) -> Iterator[None]:
    """Write the run's end as its last record: how far it has come, or the error that ended it, with its exit code and problems."""
    try:
        yield
    except CutoverError as end:
        problems = [problem.as_json() for problem in end.problems]
        session.record("run.finished", exit_code=int(end.exit_code), status=type(end).__name__, problems=problems)
        raise
    if session.status:
        session.record("run.finished", exit_code=int(ExitCode.DONE), status=session.status)
