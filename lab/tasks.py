"""The test hosts' part of the Invoke surface: `lab.up` and the like."""

from dataclasses import asdict

from invoke.collection import Collection

import lab
from cutover.cli.app import end
from cutover.cli.commands import command
from cutover.console.ask import Ask
from cutover.core.errors import ExitCode, Refused
from cutover.run.options import RunOptions


@command("lab.up", "json")
def up(options: RunOptions, count: int = 3) -> ExitCode:
    """Make test hosts (root, Linux), put V1 in service on them, write inventory/lab."""
    return end(options.ask(), lambda ask: make_and_show(ask, count))


@command("lab.down", "json")
def down(options: RunOptions, purge: bool = False) -> ExitCode:
    """Remove the test hosts and everything that was made for them."""

    def work(ask: Ask) -> ExitCode:
        names = lab.down(purge=purge, progress=ask.progress)
        ask.say(f"removed: {', '.join(names) or 'nothing, there was no lab'}")
        return ExitCode.DONE

    return end(options.ask(), work)


@command("lab.status", "json", looks=True)
def status(options: RunOptions) -> ExitCode:
    """The test hosts and how they are."""
    return end(options.ask(), lambda ask: show(ask, *lab.status()))


@command("lab.cut", "json")
def cut(options: RunOptions, host: str) -> ExitCode:
    """Cut a test host's cable."""
    return end(options.ask(), lambda ask: show(ask, lab.cut(host)))


@command("lab.heal", "json")
def heal(options: RunOptions, host: str) -> ExitCode:
    """Plug a test host's cable in again, and empty its disk."""
    return end(options.ask(), lambda ask: show(ask, lab.heal(host)))


@command("lab.reboot", "json")
def reboot(options: RunOptions, host: str) -> ExitCode:
    """Reboot a test host and wait for it."""
    return end(options.ask(), lambda ask: show(ask, lab.reboot(host)))


@command("lab.fill", "json")
def fill(options: RunOptions, host: str, leave_mb: int = 100) -> ExitCode:
    """Fill a test host's disk."""
    return end(options.ask(), lambda ask: show(ask, lab.fill(host, leave_mb=leave_mb)))


LAB = Collection("lab", up, down, status, cut, heal, reboot, fill)


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
