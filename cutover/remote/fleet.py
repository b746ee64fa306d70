"""The chosen hosts, connected: one connection and one agent each, and a way to ask them all at once."""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import ceil
from typing import Generic, TypeVar

from cutover.core.errors import CutoverError, Problem, Unreachable, problem_of
from cutover.core.step import Step
from cutover.inventory.targets import Targets
from cutover.remote.agent import HostAgent, packed
from cutover.remote.timeouts import FORKS, LOGIN_ALL_S, LOGIN_S
from cutover.remote.transport import Deadline, DeadlinePassed, RemoteError

# One thing on many hosts at once: bounded, within a deadline, and with an outcome for every single host.

H = TypeVar("H")
R = TypeVar("R")


@dataclass(frozen=True)
class HostOutcome(Generic[R]):
    """What came of one host: a value, or the error that ended it."""

    value: R | None = None
    error: BaseException | None = None

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
        self._busy: dict[str, threading.Lock] = {}

    def map(self, work: Callable[[H], R], hosts: Mapping[str, H], *, deadline: float) -> dict[str, HostOutcome[R]]:
        """Do `work` on every host, by name; one that has not ended after `deadline` seconds has DeadlinePassed as its outcome."""
        for name in hosts:
            self._busy.setdefault(name, threading.Lock())
        return _Round(work, hosts, self._busy, deadline).run(self.forks)


class _Round(Generic[H, R]):
    """One `map`: workers take hosts from a queue until it is empty, the time is up, or a person interrupts.

    The workers are daemons: one that hangs beyond its own deadline holds up neither the other hosts nor the exit.
    """

    def __init__(
        self, work: Callable[[H], R], hosts: Mapping[str, H], busy: Mapping[str, threading.Lock], deadline: float
    ) -> None:
        self._work, self._hosts, self._busy, self._until = work, hosts, busy, Deadline(deadline)
        self._waiting = deque(hosts)
        self._started: set[str] = set()
        self._outcomes: dict[str, HostOutcome[R]] = {}
        self._changed = threading.Condition()

    def run(self, forks: int) -> dict[str, HostOutcome[R]]:
        """Start the workers and wait for the outcomes."""
        try:
            for number in range(min(forks, len(self._hosts))):
                threading.Thread(target=self._take_turns, name=f"host-worker-{number}", daemon=True).start()
            with self._changed:
                while len(self._outcomes) < len(self._hosts) and not self._until.passed:
                    self._changed.wait(self._until.left)
        finally:
            # Also when interrupted: nothing new begins on any host.
            with self._changed:
                self._waiting.clear()
        with self._changed:
            return {name: self._outcomes.get(name) or self._late(name) for name in self._hosts}

    def _late(self, name: str) -> HostOutcome[R]:
        what = "had not ended" if name in self._started else "had not begun"
        return HostOutcome(error=DeadlinePassed(name, f"the work {what} after {self._until.seconds:.1f} s"))

    def _take_turns(self) -> None:
        while True:
            with self._changed:
                if not self._waiting:
                    return
                name = self._waiting.popleft()
            outcome = self._one(name)
            with self._changed:
                self._outcomes[name] = outcome
                self._changed.notify_all()

    def _one(self, name: str) -> HostOutcome[R]:
        # Held by a worker of an earlier round that overran its deadline.
        if not self._busy[name].acquire(timeout=self._until.left):
            return self._late(name)
        self._started.add(name)
        try:
            return HostOutcome(self._work(self._hosts[name]))
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is this host's outcome
            return HostOutcome(error=error)
        finally:
            self._busy[name].release()


LOGIN = Step(id="login", kind="facts", words="log in", args={}, desired={}, probe=True)


def log_in(agent: HostAgent) -> dict[str, str]:
    """The first question to a host, which shows that login, sudo and the agent work: who logs in, and what it is."""
    facts = agent.look([LOGIN], deadline_s=LOGIN_S)[LOGIN.id]
    return {key: str(facts[key]) for key in ("user", "python", "python_minor", "machine", "hostname")}


@dataclass
class Fleet:
    """Agents by host name, in the order of the inventory."""

    agents: Mapping[str, HostAgent]
    pool: Pool
    logins: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # what log_in found

    def each(
        self, work: Callable[[HostAgent], R], names: Iterable[str] | None = None, *, deadline: float
    ) -> dict[str, HostOutcome[R]]:
        """Do something on many hosts at once; one outcome a host, value or error. The deadline (seconds) is that of one host."""
        agents = {name: self.agents[name] for name in (self.agents if names is None else names)}
        rounds = max(1, ceil(len(agents) / self.pool.forks))  # with more hosts than forks some wait for their turn
        return self.pool.map(work, agents, deadline=deadline * rounds)

    def every(
        self, work: Callable[[HostAgent], R], names: Iterable[str] | None = None, *, deadline: float
    ) -> dict[str, R]:
        """Do something on many hosts and need it from all: raises with everything that went wrong."""
        outcomes = self.each(work, names, deadline=deadline)
        raise_all(outcomes)
        return {name: outcome.unwrap() for name, outcome in outcomes.items()}

    def close(self) -> None:
        """End all connections."""
        for agent in self.agents.values():
            agent.close()


@contextmanager
def reached(targets: Targets, *, sent: bool = False) -> Iterator[tuple[Fleet, list[Problem]]]:
    """The fleet of the hosts that can be used (which may be none), and why the others cannot: a rollback does not wait for a dead host.

    `sent`: the agent is sent also where it is installed.
    """
    fleet, problems = connect(targets, sent=sent)
    try:
        lost = {problem.host for problem in problems}
        usable = {name: agent for name, agent in fleet.agents.items() if name not in lost}
        yield Fleet(usable, fleet.pool, fleet.logins), problems
    finally:
        fleet.close()


def connect(targets: Targets, *, sent: bool = False) -> tuple[Fleet, list[Problem]]:
    """Log in to every host. Returns the fleet, and what is wrong with the hosts that cannot be used."""
    from cutover.remote.connect import SshAccess
    from cutover.remote.ssh import SshTransport

    access = SshAccess()
    packed()  # once, before ten threads want it at the same time
    agents = {
        host.name: HostAgent(
            SshTransport(host, access),
            python=host.python,
            state_dir=str(targets.variables[host.name]["cutover_state_dir"]),
            is_installed=not sent and targets.variables[host.name]["cutover_agent"] == "installed",
        )
        for host in targets.hosts
    }
    fleet = Fleet(agents, Pool(targets.options.forks or FORKS))
    outcomes = fleet.each(log_in, deadline=LOGIN_ALL_S)
    fleet.logins = {name: one.unwrap() for name, one in outcomes.items() if one.error is None}
    return fleet, failures(outcomes)


def raise_all(outcomes: Mapping[str, HostOutcome[R]]) -> None:
    """Raise one error with the problems of all hosts that failed, of the gravest class among them; a bug goes through as it is."""
    errors = [outcome.error for outcome in outcomes.values() if outcome.error is not None]
    if bug := next((error for error in errors if not isinstance(error, (CutoverError, RemoteError))), None):
        raise bug
    kinds = [type(error) if isinstance(error, CutoverError) else Unreachable for error in errors]
    if kinds:
        raise max(kinds, key=lambda kind: kind.exit_code)(failures(outcomes))


def failures(outcomes: Mapping[str, HostOutcome[R]]) -> list[Problem]:
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
    return (problem_of(error, host),)
