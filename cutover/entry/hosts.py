"""`hosts.list`, `hosts.ping`, `hosts.trust`."""

from dataclasses import dataclass
from pathlib import Path

from cutover.entry.app import Ask, confirm, end
from cutover.words.errors import ExitCode


@dataclass
class Hosts:
    """The options of the commands about the hosts themselves."""

    root: Path
    command: str
    hosts: str
    inventory: str
    limit: str
    forks: int
    json: bool
    yes: bool = False

    def list(self) -> ExitCode:
        """Who is meant by a pattern."""
        return end(Ask(self.root, self.command, self.json), self._list)

    def ping(self) -> ExitCode:
        """Who can be reached."""
        return end(Ask(self.root, self.command, self.json), self._ping)

    def trust(self, *, replace: bool) -> ExitCode:
        """Whose keys are pinned."""
        return end(Ask(self.root, self.command, self.json, self.yes), lambda ask: self._trust(ask, replace=replace))

    def _list(self, ask: Ask) -> ExitCode:
        from cutover.decide.inventory import load, locate

        inventory = load(locate(self.hosts, self.inventory, self.root))
        for host in inventory.select(self.hosts or "all", self.limit):
            ask.hosts[host.name] = {
                "address": host.address,
                "port": host.port,
                "user": host.user,
                "groups": list(host.groups),
            }
            ask.say(f"{host.name:20} {host.address:24} {', '.join(host.groups)}")
        return ExitCode.DONE

    def _ping(self, ask: Ask) -> ExitCode:
        from cutover.conduct.fleet import connected
        from cutover.conduct.targets import Options, choose

        with connected(choose(Options(self.root, self.hosts, self.inventory, self.limit, forks=self.forks))) as fleet:
            for name, login in fleet.logins.items():
                python = ".".join(map(str, login.python_version or ()))
                ask.hosts[name] = {
                    "user": login.user,
                    "python": python,
                    "machine": login.machine,
                    "hostname": login.hostname,
                }
                ask.say(f"{name:20} {login.user} with sudo, Python {python} on {login.machine}")
        return ExitCode.DONE

    def _trust(self, ask: Ask, *, replace: bool) -> ExitCode:
        from cutover.conduct.fleet import raise_all
        from cutover.decide.inventory import load, locate
        from cutover.world.remote.connecting import SshAccess
        from cutover.world.remote.pool import FORKS, Pool
        from cutover.world.remote.scan import scan
        from cutover.world.trust import pin

        inventory = load(locate(self.hosts, self.inventory, self.root))
        hosts = inventory.select(self.hosts, self.limit)
        access = SshAccess()
        outcomes = Pool(self.forks or FORKS).map(lambda host: scan(host, access), hosts, deadline=60)
        raise_all(outcomes)
        shown = [outcome.unwrap() for outcome in outcomes.values()]
        for keys in shown:
            ask.hosts[keys.host] = {"fingerprints": keys.fingerprints}
            ask.say(
                "\n".join(f"{keys.host:20} {kind:24} {fingerprint}" for kind, fingerprint in keys.fingerprints.items())
            )
        confirm(
            ask,
            f"pin these keys in {inventory.known_hosts.relative_to(self.root)}, compared with what each host's console says?",
        )
        pinned = pin(inventory.known_hosts, shown, replace=replace)
        ask.say(f"pinned: {', '.join(pinned) or 'nothing new'}")
        return ExitCode.DONE
