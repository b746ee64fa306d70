"""pytest plugin that gives each check its host: `host` (testinfra), `wanted` (the host's plan), once for each host.

testinfra's own plugin stays off (`-p no:pytest11.testinfra`): without a host it would quietly check this machine.
"""

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

import pytest

from cutover.plan.plan import HostPlan
from cutover.remote.transport import Result, Shell

# Ask all hosts at once what their checks will ask: checks run one after another, and during an outage each round trip counts.
# Before pytest runs the checks, each host's checks are gone through in a thread of its own, only to get the host's
# answers. When pytest then runs and judges them, each question finds its answer waiting, once; any other is asked live.

AT_ONCE = 10  # hosts
GIVEN = {"host", "wanted"}  # what a check may ask for and still be gone through ahead
NAMES = {"request", "host_name"}  # what these ask for in turn


class Remembering:
    """A shell that keeps what the host answered while it is gathering, and gives each answer out once."""

    def __init__(self, shell: Shell) -> None:
        self.name = shell.name
        self._gathering = False
        self._shell = shell
        self._answers: dict[str, deque[Result]] = defaultdict(deque)

    @contextmanager
    def gathering(self) -> Iterator[None]:
        """Begin anew: forget what nobody asked for, keep what is answered meanwhile, and give that out afterwards."""
        self._answers.clear()
        self._gathering = True
        yield
        self._gathering = False

    def shell(self, script: str, *, deadline: float) -> Result:
        """Run shell text, or give the answer that was gathered for it."""
        waiting = self._answers[script]
        if not self._gathering and waiting:
            return waiting.popleft()
        result = self._shell.shell(script, deadline=deadline)
        if self._gathering:
            waiting.append(result)
        return result


@dataclass(frozen=True)
class CheckedHost:
    """A host as its checks see it; kept as long as its agent, since testinfra first asks each host who it is."""

    shell: Remembering
    host: Any


_CHECKED_HOSTS: WeakKeyDictionary[Shell, CheckedHost] = WeakKeyDictionary()


def checked_host(shell: Shell) -> CheckedHost:
    """A host as its checks see it, made at its first use."""
    if shell not in _CHECKED_HOSTS:
        from cutover.remote.testinfra_backend import host_over  # not loaded before a check needs it

        remembering = Remembering(shell)
        _CHECKED_HOSTS[shell] = CheckedHost(remembering, host_over(remembering))
    return _CHECKED_HOSTS[shell]


def gather(items: Iterable[pytest.Item], hosts: Mapping[str, CheckedHost], wanted: Mapping[str, Any]) -> None:
    """Go through the checks of all hosts, each host in a thread of its own."""
    by_host: dict[str, list[pytest.Function]] = defaultdict(list)
    for item in items:
        if (
            isinstance(item, pytest.Function)
            and "host" in item.fixturenames
            and set(item.fixturenames) - NAMES <= GIVEN
            and item.callspec.params["host_name"] in hosts
        ):
            by_host[str(item.callspec.params["host_name"])].append(item)
    with ThreadPoolExecutor(max_workers=AT_ONCE, thread_name_prefix="ask-ahead") as threads:
        list(threads.map(lambda name: _go_through(by_host[name], hosts[name], wanted[name]), by_host))


def _go_through(checks: Sequence[pytest.Function], host: CheckedHost, wanted: Any) -> None:
    given = {"host": host.host, "wanted": wanted}
    with host.shell.gathering():
        for check in checks:
            names = check.obj.__code__.co_varnames[: check.obj.__code__.co_argcount]
            # Nothing is judged here: pytest runs the same check again and judges it.
            with suppress(BaseException):
                check.obj(**{name: given[name] for name in names})


@dataclass(frozen=True)
class Checked:
    """The hosts that checks are run on, the plan that each is held against, and why others cannot be asked: their checks are errors."""

    shells: Mapping[str, Shell]
    plans: Mapping[str, HostPlan]
    unasked: Mapping[str, str] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """All of them."""
        return [*self.plans, *self.unasked]


FLEET = pytest.StashKey[Checked]()


def pytest_configure(config: pytest.Config) -> None:
    """Make the markers known."""
    config.addinivalue_line("markers", "warn: a check whose failure is WARN, not FAIL")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test a host for everything that asks for `host` or `wanted`."""
    if metafunc.definition.path.parent.name != "checks" or not {"host", "wanted"} & set(metafunc.fixturenames):
        return  # not ours: a test of another kind may well have a host of its own
    fleet = metafunc.config.stash.get(FLEET, None)
    if fleet is None or not fleet.names:
        raise pytest.UsageError(
            "checks need hosts: give --hosts PATTERN (and --inventory DIR); they are never run on this machine"
        )
    metafunc.parametrize("host_name", fleet.names, scope="session")


def pytest_collection_finish(session: pytest.Session) -> None:
    """Have all hosts asked at once, before the checks run one after another."""
    fleet = session.config.stash.get(FLEET, None)
    if fleet is not None and not session.config.option.collectonly:
        gather(session.items, {name: checked_host(shell) for name, shell in fleet.shells.items()}, fleet.plans)


@pytest.fixture(scope="session")
def host(host_name: str, request: pytest.FixtureRequest) -> Any:
    """The host as testinfra sees it, through its agent, as root."""
    return checked_host(_asked(host_name, request).shells[host_name]).host


@pytest.fixture(scope="session")
def wanted(host_name: str, request: pytest.FixtureRequest) -> HostPlan:
    """The plan that the host is held against: its variables, facts and steps."""
    return _asked(host_name, request).plans[host_name]


def _asked(host_name: str, request: pytest.FixtureRequest) -> Checked:
    """The fleet; an error of the check that wants a host which cannot be asked."""
    fleet = request.config.stash[FLEET]
    if host_name in fleet.unasked:
        pytest.fail(fleet.unasked[host_name], pytrace=False)
    return fleet
