"""The lab's tasks: test hosts up with V1 in service under a stream of tapes, and the things one does to them."""

from dataclasses import asdict, dataclass
from pathlib import Path

import lab
from cutover.cli.app import end
from cutover.console.ask import Ask
from cutover.core.errors import ExitCode, Refused
from cutover.inventory.targets import Options
from lab.service import put_in_service, service_of

# What differs in the lab from production: the environment's name, and a bake time that a person can wait for.
# Nobody is there to answer a checklist for test hosts: its lines are shown, and recorded as open.
VARIABLES: dict[str, object] = {
    "cutover_service": "abaco",
    "abaco_environment": "lab",
    "abaco_connections": [],
    "cutover_bake_s": 3,
    "cutover_bake_every_s": 0.5,
    "people_checklist": "shown",
}


@dataclass
class Lab:
    """One of the lab's commands."""

    root: Path
    command: str
    json: bool = False

    def up(self, count: int) -> ExitCode:
        """Make the hosts that are missing, and put V1 in service on them."""
        return end(self._ask(), lambda ask: _up(ask, count))

    def down(self, *, purge: bool) -> ExitCode:
        """Take everything away."""
        return end(self._ask(), lambda ask: _down(ask, purge=purge))

    def status(self) -> ExitCode:
        """How the hosts are."""
        return end(self._ask(), lambda ask: _show(ask, lab.status()))

    def fault(self, name: str, host: str) -> ExitCode:
        """Cut, heal or reboot a host."""
        what = {"cut": lab.cut, "heal": lab.heal, "reboot": lab.reboot}[name]
        return end(self._ask(), lambda ask: _show(ask, (what(host),)))

    def fill(self, host: str, leave_mb: int) -> ExitCode:
        """Fill a host's disk."""
        return end(self._ask(), lambda ask: _show(ask, (lab.fill(host, leave_mb=leave_mb),)))

    def _ask(self) -> Ask:
        return Ask(self.root, self.command, self.json)


def make(ask: Ask, count: int) -> tuple[str, ...]:
    """Make hosts, write inventory/lab, put V1 in service where no version is. Gives the hosts' names."""
    hosts = lab.up(count, inventory=ask.root / "inventory" / "lab", group_vars=VARIABLES, tell=ask.progress)
    names = tuple(host.name for host in hosts)
    put_in_service(names, Options(root=ask.root, hosts="lab"), ask.progress)
    return names


def _up(ask: Ask, count: int) -> ExitCode:
    make(ask, count)
    return _show(ask, lab.status())


def _down(ask: Ask, *, purge: bool) -> ExitCode:
    gone = lab.down(purge=purge, tell=ask.progress)
    ask.say(f"taken away: {', '.join(gone) or 'nothing, there was no lab'}")
    return ExitCode.DONE


def _show(ask: Ask, states: tuple[lab.HostStatus, ...]) -> ExitCode:
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


def _serving(state: lab.HostStatus) -> str:
    """Which version serves on a host, as far as it can be asked."""
    if state.system == "off":
        return "nothing"
    try:
        return service_of(state.host.name).words
    except Refused:  # it is between two boots, or hangs: the other hosts are shown all the same
        return "unknown"
