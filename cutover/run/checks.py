"""The checks of a phase on some hosts, standard ones and the service's, in one pytest session over the connections of the run.

testinfra's own plugin stays off: it would check this machine, and its `host` would win over ours.
"""

import os
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import pytest

from cutover.core.errors import Problem, UsageError
from cutover.core.verdict import Verdict
from cutover.plan.gate import Finding
from cutover.plan.phases import Phase
from cutover.plan.plan import HostPlan
from cutover.plan.service import role_files
from cutover.remote.transport import DeadlinePassed, Result, Shell
from cutover.run.session import Session

# Ask all hosts at once what their checks will ask: checks run one after another, and during an outage each round trip counts.
# Before pytest runs the checks, each host's checks are gone through in a thread of its own, only to get the host's
# answers. When pytest then runs and judges them, each question finds its answer waiting, once; any other is asked live.

AT_ONCE = 10  # hosts
GIVEN = {"host", "wanted", "host_name"}  # what a check may ask for and still be gone through ahead


class Remembering:
    """A shell that keeps what the host answered while it is gathering, and gives each answer out once.

    A host that let the deadline of one question pass is not asked the next ones of these checks: each would take as long.
    """

    def __init__(self, shell: Shell) -> None:
        self.name = shell.name
        self._gathering = False
        self._shell = shell
        self._answers: dict[str, deque[Result]] = defaultdict(deque)
        self._silent: DeadlinePassed | None = None

    @contextmanager
    def gathering(self) -> Iterator[None]:
        """Begin anew: forget what nobody asked for, keep what is answered meanwhile, and give that out afterwards."""
        self._answers.clear()
        self._silent = None
        self._gathering = True
        yield
        self._gathering = False

    def shell(self, script: str, *, deadline: float) -> Result:
        """Run shell text, or give the answer that was gathered for it."""
        waiting = self._answers[script]
        if not self._gathering and waiting:
            return waiting.popleft()
        if self._silent is not None:
            raise self._silent
        try:
            result = self._shell.shell(script, deadline=deadline)
        except DeadlinePassed as silent:
            self._silent = silent
            raise
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
            and set(item.fixturenames) <= GIVEN
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


class OnHosts:
    """pytest plugin that gives each check its host: `host` (testinfra), `wanted` (the host's plan), once for each host."""

    def __init__(self, checked: Checked) -> None:
        self._checked = checked

    def pytest_configure(self, config: pytest.Config) -> None:
        """Make the markers known."""
        config.addinivalue_line("markers", "warn: a check whose failure is WARN, not FAIL")

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """One test a host for everything that asks for `host` or `wanted`."""
        if {"host", "wanted"} & set(metafunc.fixturenames):
            metafunc.parametrize("host_name", self._checked.names, scope="session")

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Have all hosts asked at once, before the checks run one after another."""
        hosts = {name: checked_host(shell) for name, shell in self._checked.shells.items()}
        gather(session.items, hosts, self._checked.plans)

    @pytest.fixture(scope="session")
    def host(self, host_name: str) -> Any:
        """The host as testinfra sees it, through its agent, as root."""
        self._fail_unasked(host_name)
        return checked_host(self._checked.shells[host_name]).host

    @pytest.fixture(scope="session")
    def wanted(self, host_name: str) -> HostPlan:
        """The plan that the host is held against: its variables, facts and steps."""
        self._fail_unasked(host_name)
        return self._checked.plans[host_name]

    def _fail_unasked(self, host_name: str) -> None:
        """An error of the check that wants a host which cannot be asked."""
        if host_name in self._checked.unasked:
            pytest.fail(self._checked.unasked[host_name], pytrace=False)


def refuse_unwritable(path: Path) -> None:
    """UsageError where a JUnit file cannot be written. What it held is gone from here on: it says nothing of the hosts now."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    except OSError as refused:
        why = f"{path.parent} is not a directory" if isinstance(refused, FileExistsError) else refused.strerror
        found = f"{path} cannot be written: {why or refused}"
        raise UsageError(Problem(path="--junit", found=found, next="name a file in a directory of yours")) from refused


# Turns what pytest reports of a check into a finding: passed, failed, could not be asked, left out.


class Findings:
    """pytest plugin that collects one finding for each check and host."""

    def __init__(self) -> None:
        self.found: list[Finding] = []
        self.broken: list[str] = []

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]):  # type: ignore[no-untyped-def]  # the type of a hook wrapper is pluggy's affair
        """Judge the check itself, and its set-up where that failed."""
        report: pytest.TestReport = yield
        if report.when == "call" or not report.passed:
            self.found.append(_finding(item, call, report))
        return report

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A file of checks that cannot be read is an error of every host."""
        if report.failed:
            self.broken.append(str(report.longrepr))


def _finding(item: pytest.Item, call: pytest.CallInfo[None], report: pytest.TestReport) -> Finding:
    host = str(item.callspec.params.get("host_name", "")) if hasattr(item, "callspec") else ""
    name = f"{item.path.stem}.{getattr(item, 'originalname', item.name).removeprefix('test_')}"
    proves, advice = words_of(item)
    error = call.excinfo.value if call.excinfo is not None else None
    reason = str(error).split("\n")[0] if error is not None else str(report.longrepr)
    message = f"could not be judged: {proves}: {type(error).__name__}: {reason}"
    if report.passed:
        verdict, message = Verdict.PASS, proves
    elif report.skipped:
        verdict = Verdict.INCONCLUSIVE
    elif isinstance(error, AssertionError):
        verdict = Verdict.WARN if item.get_closest_marker("warn") else Verdict.FAIL
        message = f"not so: {proves}: {reason}"
    else:
        verdict = Verdict.ERROR  # it could not be asked, which is never the host's answer
    return Finding(host, name, verdict, message, advice, round(report.duration, 4))


def words_of(item: pytest.Item) -> tuple[str, str]:
    """What a check proves and what to do if it fails: its docstring's first line, and the part after `If not:`."""
    text = " ".join((getattr(item.obj, "__doc__", None) or item.name).split()) if hasattr(item, "obj") else item.name
    proves, _, advice = text.partition("If not:")
    return proves.strip().rstrip("."), advice.strip()


# Nothing of the checkout's pytest settings, no installed plugin (testinfra's own would ask this machine: its `host` would win over
# ours), and no conftest.py that somebody has put beside the checks, which could give each of them its hosts a second time.
# Of pytest's own plugins, those are off that checks do without: they cost time during an outage. What a check prints is dropped
# (`redirect_stdout` below); capturing file descriptors would take the live table's too.
OFF = (
    "cacheprovider", "capture", "legacypath", "logging", "terminal", "threadexception", "unraisableexception", "warnings",
)  # fmt: skip
OPTIONS = [
    "--disable-plugin-autoload",
    "--noconftest",
    *(f"-pno:{name}" for name in OFF),
    "--import-mode=importlib",  # a service's own checks have the names of the standard ones
    "--override-ini=addopts=",
    "--override-ini=filterwarnings=",
]


def check_hosts(session: Session, phase: Phase, hosts: Sequence[str]) -> list[Finding]:
    """Run the checks of a phase. Main thread only: pytest is not made for others."""
    agents = {name: session.fleet.agents[name] for name in hosts}
    checked = Checked(agents, {name: session.plans[name] for name in hosts})
    return run_checks(session.options.root, session.plan.service.name, phase, checked)


def run_checks(root: Path, service: str, phase: Phase, checked: Checked, junit: Path | None = None) -> list[Finding]:
    """One finding for each check and host; a session that checks nothing, or something else, is an ERROR of every host."""
    # Without any file, pytest would run all tests that it finds from here; so it is given one that is missing, and says so.
    files = [str(path) for path in role_files(root, service, f"checks/{phase.name}.py")]
    files = files or [str(root / "roles" / "standard" / "checks" / f"{phase.name}.py")]
    results, said = Findings(), StringIO()
    options = [*OPTIONS, f"--rootdir={root}", *files, *([f"--junit-xml={junit}"] if junit else [])]
    with redirect_stdout(said), redirect_stderr(said), _without("PYTEST_ADDOPTS", "PYTEST_PLUGINS"):
        code = pytest.main(options, plugins=[OnHosts(checked), results])
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED) or results.broken:
        why = "; ".join(results.broken) or said.getvalue().strip()[-2000:] or f"pytest ended with {int(code)}"
        about = (f"{phase.name}.checks", Verdict.ERROR, f"the checks did not run: {why}", f"see {', '.join(files)}")
        return [Finding(name, *about) for name in checked.plans]
    return results.found


@contextmanager
def _without(*names: str) -> Iterator[None]:
    """Take variables out of the environment for a while: nobody's settings decide what is checked."""
    kept = {name: os.environ.pop(name) for name in names if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(kept)
