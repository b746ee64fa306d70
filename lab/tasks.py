"""The test hosts' part of the Invoke surface: `lab.up` and the like."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from invoke.collection import Collection
from invoke.context import Context

import lab
from cutover.cli.app import end
from cutover.cli.commands import command, end_with
from cutover.console.ask import Ask
from cutover.core.errors import ExitCode, Refused

ROOT = Path(__file__).parents[1]


@command("lab.up")
def up(_c: Context, count: int = 3, json: bool = False) -> None:
    """Make test hosts (root, Linux), put V1 in service on them, write inventory/lab."""
    _run("lab.up", json, lambda ask: make_and_show(ask, count))


@command("lab.down")
def down(_c: Context, purge: bool = False, json: bool = False) -> None:
    """Remove the test hosts and everything that was made for them."""

    def work(ask: Ask) -> ExitCode:
        names = lab.down(purge=purge, progress=ask.progress)
        ask.say(f"removed: {', '.join(names) or 'nothing, there was no lab'}")
        return ExitCode.DONE

    _run("lab.down", json, work)


@command("lab.status", looks=True)
def status(_c: Context, json: bool = False) -> None:
    """The test hosts and how they are."""
    _run("lab.status", json, lambda ask: show(ask, *lab.status()))


@command("lab.cut")
def cut(_c: Context, host: str, json: bool = False) -> None:
    """Cut a test host's cable."""
    _run("lab.cut", json, lambda ask: show(ask, lab.cut(host)))


@command("lab.heal")
def heal(_c: Context, host: str, json: bool = False) -> None:
    """Plug a test host's cable in again, and empty its disk."""
    _run("lab.heal", json, lambda ask: show(ask, lab.heal(host)))


@command("lab.reboot")
def reboot(_c: Context, host: str, json: bool = False) -> None:
    """Reboot a test host and wait for it."""
    _run("lab.reboot", json, lambda ask: show(ask, lab.reboot(host)))


@command("lab.fill")
def fill(_c: Context, host: str, leave_mb: int = 100, json: bool = False) -> None:
    """Fill a test host's disk."""
    _run("lab.fill", json, lambda ask: show(ask, lab.fill(host, leave_mb=leave_mb)))


LAB = Collection("lab", up, down, status, cut, heal, reboot, fill)


def _run(name: str, json: bool, work: Callable[[Ask], ExitCode]) -> None:
    end_with(end(Ask(ROOT, name, json), work))


def make_and_show(ask: Ask, count: int) -> ExitCode:
    """Make the hosts that are missing, put V1 in service on them, show all."""
    from lab.service import make_hosts

    make_hosts(ask.root, count, ask.progress)
    return show(ask, *lab.status())


def show(ask: Ask, *states: "lab.HostStatus") -> ExitCode:
    """Print one line per host, and put the hosts into the document of --json."""
    for state in states:
        serving = _serving(state)
        host = {"name": state.host.name, "address": state.host.address}
        ask.hosts[state.host.name] = {**asdict(state), "host": host, "serving": serving}
        cable, ssh = "plugged" if state.cable else "cut", "answers" if state.ssh else "silent"
        disk = f"{state.disk_free_mb} MB free{' (filled)' if state.filled else ''}"
        ask.say(
            f"{state.host.name:8} {state.host.address:16} {state.system:10} "
            f"{serving} in service, cable {cable}, ssh {ssh}, {disk}"
        )
    if not states:
        ask.say("no lab is up: ./invokew lab.up")
    return ExitCode.DONE


def _serving(state: "lab.HostStatus") -> str:
    """Which release serves on a host, as far as it answers."""
    from lab.service import service_of

    if state.system == "off":
        return "nothing"
    try:
        return service_of(state.host.name).serving
    except Refused:  # it is between two boots, or hangs: the other hosts are shown all the same
        return "unknown"
