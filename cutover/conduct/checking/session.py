"""The checks of a phase on some hosts: roles/<phase>/checks.py, one pytest session, over the connections and agents of the run."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

from cutover.conduct.checking.junit import add_errors, unwritten
from cutover.conduct.session import Session
from cutover.decide.gate import Finding
from cutover.decide.phases import Phase
from cutover.decide.plan import HostPlan
from cutover.words.verdict import Verdict
from cutover.world.remote.base import Shell

# Nothing of the checkout's pytest settings, not testinfra's own plugin, whose `host` would win over ours, and no conftest.py
# that somebody has put beside the checks, which could give each of them its hosts a second time.
OPTIONS = [
    "--noconftest",
    "-p",
    "no:cacheprovider",
    "-p",
    "no:pytest11.testinfra",
    "-p",
    "no:terminal",
    "-p",
    "no:unraisableexception",  # it and the next collect garbage at each end, 30 ms during an outage
    "-p",
    "no:threadexception",
    "-p",
    "no:timeout",  # how long our own tests may hang is no limit of a check during an outage
    "--override-ini=addopts=",
    "--override-ini=filterwarnings=",
]


def check_hosts(session: Session, phase: Phase, hosts: Sequence[str]) -> list[Finding]:
    """Run the checks of a phase and keep their JUnit file as evidence. Main thread only: pytest is not made for others."""
    number = 1 + len(list(session.evidence.glob(f"checks-*-{phase.name}.xml")))
    junit = session.evidence / f"checks-{number}-{phase.name}.xml"
    plans = {name: session.plans[name] for name in hosts}
    return run_checks(session.root, phase, {name: session.fleet.agents[name] for name in hosts}, plans, junit)


def run_checks(
    root: Path, phase: Phase, shells: Mapping[str, Shell], plans: Mapping[str, HostPlan], junit: Path | None,
    *, no_room: str = "make room on this machine; the journal has the findings",
) -> list[Finding]:  # fmt: skip
    """One finding for each check and host; a session that checks nothing, or something else, is an ERROR of every host."""
    import pytest

    from cutover.conduct.checking import fleet_plugin
    from cutover.conduct.checking.results import Findings

    file = root / "roles" / phase.name / "checks.py"
    results, said = Findings(), StringIO()

    class Hand:
        """Hands the hosts to the plugin before it collects."""

        def pytest_configure(self, config: pytest.Config) -> None:
            config.stash[fleet_plugin.FLEET] = fleet_plugin.Checked(shells, plans)

    options = [*OPTIONS, f"--rootdir={root}", str(file), *([f"--junit-xml={junit}"] if junit else [])]
    with redirect_stdout(said), redirect_stderr(said), _without("PYTEST_ADDOPTS", "PYTEST_PLUGINS"):
        code = pytest.main(options, plugins=[Hand(), fleet_plugin, results])
    if results.unwritten and junit is not None:
        junit.unlink(missing_ok=True)  # half of one proves nothing
        results.found.append(unwritten(phase.name, junit, results.unwritten, no_room))
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED) or results.broken:
        why = "; ".join(results.broken) or said.getvalue().strip()[-2000:] or f"pytest ended with {int(code)}"
        found = f"the checks did not run: {why}"
        not_run = [Finding(name, f"{phase.name}.checks", Verdict.ERROR, found, f"see {file}") for name in plans]
        return [*not_run, *add_errors(junit, phase.name, not_run, no_room)]
    return results.found


@contextmanager
def _without(*names: str) -> Iterator[None]:
    """Take variables out of the environment for a while: nobody's settings decide what is checked."""
    kept = {name: os.environ.pop(name) for name in names if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(kept)
