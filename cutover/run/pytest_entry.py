"""The checks with plain pytest, as in a CI: `pytest roles/*/checks/activation.py --hosts=lab --junit-xml=out.xml`.

pyproject.toml loads it in place of testinfra's own plugin. Each host is held against the plan that it keeps of the run. The
checks of a host that cannot be asked are errors, and those of the others run.
"""

from contextlib import ExitStack
from pathlib import Path

import pytest

OPTIONS = {
    "hosts": "pattern as in Ansible: prod, web*:&prod:!db1",
    "inventory": "environment directory (default: inventory/<first word of the pattern>/)",
    "limit": "a second pattern: only hosts in both are meant",
    "run": "the run whose plan the hosts are held against (default: the last one)",
}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Which hosts, as in all our commands."""
    group = parser.getgroup("cutover", "checks on hosts")
    for name, meaning in OPTIONS.items():
        group.addoption(f"--{name}", default="", help=meaning)


def pytest_configure(config: pytest.Config) -> None:
    """Connect to the hosts, and read the plan that each keeps."""
    phase = _phase(config.args)
    if not phase:
        return
    if not config.getoption("hosts"):
        raise pytest.UsageError(f"checks of {phase} need hosts to check: add --hosts PATTERN")
    from cutover.core.errors import CutoverError

    try:
        _connect(config, phase)
    except CutoverError as refused:
        raise pytest.UsageError(str(refused)) from refused


def _connect(config: pytest.Config, named: str) -> None:
    from cutover.inventory.targets import Options, choose
    from cutover.remote.fleet import reached
    from cutover.run.checks import OnHosts
    from cutover.run.verify import held_against, phase_to_check, run_to_check, unasked_findings

    option = config.getoption
    targets = choose(Options(Path(config.rootpath), option("hosts"), option("inventory"), option("limit")))
    phase = phase_to_check(named)
    connections = ExitStack()
    config.add_cleanup(connections.close)
    fleet, unreachable = connections.enter_context(reached(targets))
    known, problems = run_to_check(fleet, targets, option("run"), phase, unreachable)
    config.pluginmanager.register(OnHosts(held_against(fleet, known, unasked_findings("", problems))))


def _phase(arguments: list[str]) -> str:
    """The phase whose checks are meant: that of the last file that is named; empty where none is a file of checks."""
    files = [Path(argument.partition("::")[0]) for argument in arguments]
    return next((file.stem for file in reversed(files) if file.resolve().parent.name == "checks"), "")
