"""The checks with plain pytest, as in a CI: `pytest roles/*/checks/activation.py --hosts=lab --junit-xml=out.xml`.

pyproject.toml loads it in place of testinfra's own plugin. Each host is held against the plan that it keeps of the run. The
checks of a host that cannot be asked are errors, and those of the others run.
"""

from contextlib import ExitStack
from pathlib import Path

import pytest

from cutover.run.checks import plugin


def pytest_addoption(parser: pytest.Parser) -> None:
    """Which hosts, as in all our commands."""
    group = parser.getgroup("cutover", "checks on hosts")
    group.addoption(
        "--hosts", default="", help="pattern as in Ansible: prod, web*:&prod:!db1; without it no host is checked"
    )
    group.addoption(
        "--inventory", default="", help="environment directory (default: inventory/<first word of the pattern>/)"
    )
    group.addoption("--limit", default="", help="a second pattern: only hosts in both are meant")
    group.addoption("--run", default="", help="the run whose plan the hosts are held against (default: the last one)")


def pytest_configure(config: pytest.Config) -> None:
    """Connect to the hosts, and read the plan that each keeps."""
    config.pluginmanager.register(plugin)  # gives `host` and `wanted`
    if not config.getoption("--hosts"):
        return  # a check that asks for a host is then refused
    from cutover.core.errors import CutoverError

    try:
        _connect(config)
    except CutoverError as refused:
        raise pytest.UsageError(str(refused)) from refused


def _connect(config: pytest.Config) -> None:
    from cutover.inventory.targets import Options, choose
    from cutover.remote.fleet import reached
    from cutover.run.verify import held_against, phase_to_check, run_to_check, unasked_findings

    options = config.getoption
    targets = choose(Options(Path(config.rootpath), options("--hosts"), options("--inventory"), options("--limit")))
    phase = phase_to_check(_phase(config.args))
    connections = ExitStack()
    config.add_cleanup(connections.close)
    fleet, unreachable = connections.enter_context(reached(targets))
    known, problems = run_to_check(fleet, options("--run"), phase, unreachable)
    config.stash[plugin.FLEET] = held_against(fleet, known, unasked_findings("", problems))


def _phase(arguments: list[str]) -> str:
    """The phase whose checks are meant: that of the last file that is named."""
    files = [Path(argument.partition("::")[0]) for argument in arguments]
    named = [file.stem for file in files if file.resolve().parent.name == "checks"]
    return named[-1] if named else ""
