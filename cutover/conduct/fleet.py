"""The chosen hosts, connected: one connection and one agent each, and a way to ask them all at once."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import ceil
from typing import TypeVar

from cutover.conduct.targets import Targets
from cutover.words.errors import CutoverError, Problem, Unreachable
from cutover.words.host import OLDEST_PYTHON
from cutover.world.agent import HostAgent, packed
from cutover.world.remote.base import RemoteError
from cutover.world.remote.login import LoginFacts, probe_login
from cutover.world.remote.pool import FORKS, Outcome, Pool

R = TypeVar("R")
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
        self, work: Callable[[HostAgent], R], names: Iterable[str] | None = None, *, deadline: float
    ) -> dict[str, Outcome[R]]:
        """Do something on many hosts at once; one outcome a host, value or error. The deadline (seconds) is that of one host."""
        agents = [self.agents[name] for name in (self.agents if names is None else names)]
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
    from cutover.world.remote.connecting import SshAccess
    from cutover.world.remote.ssh import SshTransport

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


def raise_all(outcomes: Mapping[str, Outcome[R]]) -> None:
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


def failures(outcomes: Mapping[str, Outcome[R]]) -> list[Problem]:
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
