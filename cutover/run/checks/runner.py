"""The checks of a phase on some hosts, standard ones and the service's, in one pytest session over the connections of the run."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

import pytest

from cutover.core.errors import Problem, UsageError
from cutover.core.verdict import Verdict
from cutover.plan.gate import Finding
from cutover.plan.phases import Phase
from cutover.plan.service import load_service
from cutover.run.checks import plugin
from cutover.run.session import Session


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
        self.unwritten = ""

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]):  # type: ignore[no-untyped-def]  # the type of a hook wrapper is pluggy's affair
        """Judge the check itself, and its set-up where that failed."""
        report: pytest.TestReport = yield
        if report.when == "call" or not report.passed:
            self.found.append(_finding(item, call, report))
        return report

    @pytest.hookimpl(wrapper=True)
    def pytest_sessionfinish(self):  # type: ignore[no-untyped-def]  # as above
        """Note that the JUnit file, which is written at the end of the session, could not be: what was judged is judged."""
        try:
            return (yield)
        except OSError as unwritten:
            self.unwritten = str(unwritten)

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


# Nothing of the checkout's pytest settings, not testinfra's own plugin, whose `host` would win over ours, and no conftest.py
# that somebody has put beside the checks, which could give each of them its hosts a second time.
# Plugins that checks do without: testinfra's own would ask this machine; the others cost time during an outage, or have limits.
OFF = (
    "cacheprovider", "pytest11.testinfra", "terminal", "unraisableexception", "threadexception", "timeout", "xdist", "xdist.looponfail",
)  # fmt: skip
OPTIONS = [
    "--noconftest",
    *(f"-pno:{name}" for name in OFF),
    "--import-mode=importlib",  # a service's own checks have the names of the standard ones
    "--override-ini=addopts=",
    "--override-ini=filterwarnings=",
]


def check_hosts(session: Session, phase: Phase, hosts: Sequence[str]) -> list[Finding]:
    """Run the checks of a phase and keep their JUnit file as evidence. Main thread only: pytest is not made for others."""
    number = 1 + len(list(session.directory.evidence.glob(f"checks-*-{phase.name}.xml")))
    junit = session.directory.evidence / f"checks-{number}-{phase.name}.xml"
    agents = {name: session.fleet.agents[name] for name in hosts}
    plans = {name: session.plans[name] for name in hosts}
    return run_checks(session.options.root, session.plan.service.name, phase, plugin.Checked(agents, plans), junit)


def run_checks(root: Path, service: str, phase: Phase, checked: plugin.Checked, junit: Path | None) -> list[Finding]:
    """One finding for each check and host; a session that checks nothing, or something else, is an ERROR of every host."""
    # Without any file, pytest would run all tests that it finds from here; so it is given one that is missing, and says so.
    files = [str(path) for path in load_service(root, service).files(f"checks/{phase.name}.py")]
    files = files or [str(root / "roles" / "standard" / "checks" / f"{phase.name}.py")]
    results, said = Findings(), StringIO()

    class Hand:
        """Hands the hosts to the plugin before it collects."""

        def pytest_configure(self, config: pytest.Config) -> None:
            config.stash[plugin.FLEET] = checked

    options = [*OPTIONS, f"--rootdir={root}", *files, *([f"--junit-xml={junit}"] if junit else [])]
    with redirect_stdout(said), redirect_stderr(said), _without("PYTEST_ADDOPTS", "PYTEST_PLUGINS"):
        code = pytest.main(options, plugins=[Hand(), plugin, results])
    if results.unwritten and junit is not None:  # a full disk here keeps no host from its version
        junit.unlink(missing_ok=True)  # half of one proves nothing
        found = f"the checks were judged, but {junit.name} could not be written: {results.unwritten}"
        results.found.append(Finding("", f"{phase.name}.evidence", Verdict.WARN, found, "make room on this machine"))
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
