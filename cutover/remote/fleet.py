"""The chosen hosts, connected: one connection and one agent each, and a way to ask them all at once."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import ceil
from typing import Generic, Protocol, TypeVar

from cutover.core.errors import CutoverError, Problem, Unreachable
from cutover.core.host import OLDEST_PYTHON
from cutover.inventory.targets import Targets
from cutover.remote.agent import HostAgent, packed
from cutover.remote.base import DeadlinePassed, RemoteError
from cutover.remote.login import LoginFacts, probe_login
from cutover.remote.timeouts import FORKS

# Does one thing on many hosts at once: bounded, within a deadline, and with an outcome for every single host.

R = TypeVar("R")


class Named(Protocol):
    """A host, a transport, or whatever else stands for one host."""

    @property
    def name(self) -> str:
        """The host's name in the inventory."""
        ...


N = TypeVar("N", bound=Named)


@dataclass(frozen=True)
class Outcome(Generic[R]):
    """What came of one host: a value, or the error that ended it."""

    name: str
    value: R | None = None
    error: BaseException | None = None
    seconds: float = 0.0

    def unwrap(self) -> R:
        """The value; raises the error where there is one."""
        if self.error is not None:
            raise self.error
        return self.value  # type: ignore[return-value]  # R itself may be None


class Pool:
    """At most `forks` hosts at work at once, and never two pieces of work on one host, also across calls of `map`."""

    def __init__(self, forks: int = FORKS) -> None:
        if forks < 1:
            raise ValueError("a pool needs at least one worker")
        self.forks = forks
        self._hosts: dict[str, threading.Lock] = {}

    def map(self, work: Callable[[N], R], hosts: Sequence[N], *, deadline: float) -> dict[str, Outcome[R]]:
        """Do `work` on every host; who has not ended after `deadline` seconds has DeadlinePassed as outcome."""
        names = [host.name for host in hosts]
        if len(set(names)) != len(names):
            raise ValueError(f"a host is named twice: {sorted({name for name in names if names.count(name) > 1})}")
        for name in names:
            self._hosts.setdefault(name, threading.Lock())
        return _Round(work, hosts, self._hosts, deadline).run(self.forks)


class _Round(Generic[N, R]):
    """One `map`: workers take hosts from a queue until it is empty, the time is up, or a person interrupts.

    The workers are daemons: one that hangs beyond its own deadline holds up neither the other hosts nor the exit.
    """

    def __init__(
        self, work: Callable[[N], R], hosts: Sequence[N], locks: dict[str, threading.Lock], deadline: float
    ) -> None:
        self._work, self._locks = work, locks
        self._names = [host.name for host in hosts]
        self._waiting = deque(hosts)
        self._outcomes: dict[str, Outcome[R]] = {}
        self._begun: set[str] = set()
        self._changed = threading.Condition()
        self._seconds, self._end = deadline, time.monotonic() + deadline

    def run(self, forks: int) -> dict[str, Outcome[R]]:
        """Start the workers and wait for the outcomes."""
        try:
            for number in range(min(forks, len(self._names))):
                threading.Thread(target=self._take_turns, name=f"host-worker-{number}", daemon=True).start()
            with self._changed:
                while len(self._outcomes) < len(self._names) and self._left > 0:
                    self._changed.wait(self._left)
        finally:
            # Also when interrupted: nothing new begins on any host.
            with self._changed:
                self._waiting.clear()
        with self._changed:
            return {name: self._outcomes.get(name) or self._late(name) for name in self._names}

    @property
    def _left(self) -> float:
        return max(self._end - time.monotonic(), 0.0)

    def _late(self, name: str) -> Outcome[R]:
        what = "had not ended" if name in self._begun else "was not begun"
        return Outcome(name, error=DeadlinePassed(name, f"the work {what} after {self._seconds:.1f} s"))

    def _take_turns(self) -> None:
        while True:
            with self._changed:
                if not self._waiting:
                    return
                host = self._waiting.popleft()
            outcome = self._one(host)
            with self._changed:
                self._outcomes[host.name] = outcome
                self._changed.notify_all()

    def _one(self, host: N) -> Outcome[R]:
        # Held by a worker of an earlier round that overran its deadline.
        if not self._locks[host.name].acquire(timeout=self._left):
            return self._late(host.name)
        self._begun.add(host.name)
        began = time.monotonic()
        try:
            value = self._work(host)
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is this host's outcome
            return Outcome(host.name, error=error, seconds=time.monotonic() - began)
        finally:
            self._locks[host.name].release()
        return Outcome(host.name, value=value, seconds=time.monotonic() - began)


R_fleet = TypeVar("R_fleet")
ASK_S = 30.0  # for all hosts to answer a small request
LOGIN_S = 60.0  # for all hosts of a fleet to answer the first questions
PYTHON_NEXT = (
    f"install python3, {OLDEST_PYTHON[0]}.{OLDEST_PYTHON[1]} or later, or name one with ansible_python_interpreter"
)


@dataclass
class Fleet:
    """Agents by host name, in the order of the inventory."""

    agents: Mapping[str, HostAgent]
    pool: Pool
    logins: dict[str, LoginFacts] = field(default_factory=dict)

    def each(
        self, work: Callable[[HostAgent], R_fleet], names: Iterable[str] | None = None, *, deadline: float
    ) -> dict[str, Outcome[R_fleet]]:
        """Do something on many hosts at once; one outcome a host, value or error. The deadline (seconds) is that of one host."""
        agents = [self.agents[name] for name in (self.agents if names is None else names)]
        rounds = max(1, ceil(len(agents) / self.pool.forks))  # with more hosts than forks some wait for their turn
        return self.pool.map(work, agents, deadline=deadline * rounds)

    def every(
        self, work: Callable[[HostAgent], R_fleet], names: Iterable[str] | None = None, *, deadline: float
    ) -> dict[str, R_fleet]:
        """Do something on many hosts and need it from all: raises with everything that went wrong."""
        outcomes = self.each(work, names, deadline=deadline)
        raise_all(outcomes)
        return {name: outcome.unwrap() for name, outcome in outcomes.items()}

    def close(self) -> None:
        """End all connections."""
        for agent in self.agents.values():
            agent.close()


@contextmanager
def connected(targets: Targets) -> Iterator[Fleet]:
    """The fleet of these hosts, for as long as it is needed; hosts that cannot be used are told all at once (Unreachable)."""
    fleet, problems = connect(targets)
    try:
        if problems:
            raise Unreachable(problems)
        yield fleet
    finally:
        fleet.close()


@contextmanager
def connected_as_far_as_possible(targets: Targets) -> Iterator[tuple[Fleet, list[Problem]]]:
    """The fleet of the hosts that can be used, and why the others cannot: the way back does not wait for a dead host.

    Unreachable where nobody can be used: there is nothing to act on.
    """
    with reached(targets) as (fleet, problems):
        if not fleet.agents:
            raise Unreachable(problems)
        yield fleet, problems


@contextmanager
def reached(targets: Targets) -> Iterator[tuple[Fleet, list[Problem]]]:
    """The same for who only looks: that nobody can be used is an answer too, and not for the fleet to judge."""
    fleet, problems = connect(targets)
    try:
        lost = {problem.host for problem in problems}
        usable = {name: agent for name, agent in fleet.agents.items() if name not in lost}
        yield Fleet(usable, fleet.pool, fleet.logins), problems
    finally:
        fleet.close()


def connect(targets: Targets) -> tuple[Fleet, list[Problem]]:
    """Reach every host and ask the first questions. Gives the fleet, and what is wrong with those that cannot be used."""
    from cutover.remote.connect import SshAccess
    from cutover.remote.ssh import SshTransport

    access = SshAccess()
    packed()  # once, before ten threads want it at the same time
    agents = {
        host.name: HostAgent(
            SshTransport(host, access),
            python=host.python,
            state_dir=str(targets.variables[host.name]["cutover_state_dir"]),
        )
        for host in targets.hosts
    }
    fleet = Fleet(agents, Pool(targets.options.forks or FORKS))
    pythons = {host.name: host.python for host in targets.hosts}
    problems: list[Problem] = []
    for name, outcome in fleet.each(
        lambda agent: probe_login(agent.transport, python=pythons[agent.name]), deadline=LOGIN_S
    ).items():
        if outcome.error is not None:
            problems += as_problems(outcome.error, name)
        else:
            fleet.logins[name] = outcome.unwrap()
            problems += _unusable(name, fleet.logins[name])
    return fleet, problems


def raise_all(outcomes: Mapping[str, Outcome[R_fleet]]) -> None:
    """Raise one error with the problems of all hosts that failed, of the gravest class among them; a bug goes through as it is."""
    errors = [outcome.error for outcome in outcomes.values() if outcome.error is not None]
    if not errors:
        return
    problems: list[Problem] = []
    kinds: list[type[CutoverError]] = []
    for error in errors:
        if isinstance(error, CutoverError):
            problems += error.problems
            kinds.append(type(error))
        elif isinstance(error, RemoteError):
            problems.append(error.problem)
            kinds.append(Unreachable)
        else:
            raise error
    raise max(kinds, key=lambda kind: kind.exit_code)(problems)


def failures(outcomes: Mapping[str, Outcome[R_fleet]]) -> list[Problem]:
    """The problems of all hosts that failed."""
    return [
        problem for name, one in outcomes.items() if one.error is not None for problem in as_problems(one.error, name)
    ]


def as_problems(error: BaseException, host: str) -> Sequence[Problem]:
    """The problems of any error that came of a host."""
    if isinstance(error, CutoverError):
        return error.problems
    if isinstance(error, RemoteError):
        return (error.problem,)
    return (Problem(host=host, found=f"{type(error).__name__}: {error}", next="this is a bug of ours: see the log"),)


def _unusable(name: str, login: LoginFacts) -> list[Problem]:
    try:
        login.require_sudo(name)
    except Unreachable as refused:
        return list(refused.problems)
    if login.python_version is None:
        return [Problem(host=name, found="no Python 3 was found", next=PYTHON_NEXT)]
    if login.python_version[:2] < OLDEST_PYTHON:
        found = ".".join(map(str, login.python_version))
        return [Problem(host=name, path=login.python_path or "", found=f"Python {found} is too old", next=PYTHON_NEXT)]
    return []
