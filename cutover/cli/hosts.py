"""`hosts.list`, `hosts.ping`."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cutover.cli.app import end
from cutover.console.ask import Ask, confirm
from cutover.core.errors import ExitCode
from cutover.run.options import Where

if TYPE_CHECKING:
    from cutover.inventory.load import Inventory
    from cutover.remote.connect import SshAccess
    from cutover.remote.fleet import Pool
    from cutover.remote.scan import Stop
    from cutover.remote.trust import Shown


# `hosts.trust`: shows the keys of hosts and of the jump hosts before them, and pins them after a yes.

SECONDS = 60  # for all hosts of a round


def trust(where: Where, *, replace: bool, yes: bool) -> ExitCode:
    """Whose keys are pinned."""
    return end(where.ask(yes=yes), lambda ask: _trust(where, ask, replace=replace))


def _trust(where: Where, ask: Ask, *, replace: bool) -> ExitCode:
    from cutover.inventory.load import load
    from cutover.remote.connect import SshAccess
    from cutover.remote.deadline import Deadline
    from cutover.remote.fleet import Pool, raise_all
    from cutover.remote.scan import rounds
    from cutover.remote.timeouts import FORKS

    inventory = load(where.environment)
    hosts = inventory.select(where.hosts or inventory.environment, where.limit)
    access, pool = SshAccess(), Pool(where.forks or FORKS)
    ways = pool.map(lambda host: access.way(host, Deadline(SECONDS)), hosts, deadline=SECONDS)
    raise_all(ways)
    trusting = _Trusting(ask, inventory, access, pool, replace)
    for stops in rounds({host: ways[host.name].unwrap() for host in hosts}):
        trusting.round(stops)
    ask.say(f"pinned: {', '.join(trusting.pinned) or 'nothing new'}")
    return ExitCode.DONE


@dataclass
class _Trusting:
    """Round by round: nobody logs in on a jump host before a person has said yes to its key."""

    ask: Ask
    inventory: "Inventory"
    access: "SshAccess"
    pool: "Pool"
    replace: bool
    pinned: list[str] = field(default_factory=list)

    def round(self, stops: "list[Stop]") -> None:
        """Show what the stops show now; refuse or ask; pin."""
        from cutover.remote.fleet import raise_all
        from cutover.remote.scan import scan
        from cutover.remote.trust import must_be_pinnable, pin, states

        known_hosts = self.inventory.known_hosts
        outcomes = self.pool.map(lambda stop: scan(stop, self.access), stops, deadline=SECONDS)
        raise_all(outcomes)
        shown = [outcomes[stop.name].unwrap() for stop in stops]
        for stop, keys in zip(stops, shown, strict=True):
            self._show(stop, keys)
        must_be_pinnable(known_hosts, shown, replace=self.replace)
        if all(state.word == "pinned" for keys in shown for state in states(known_hosts, keys)):
            return
        confirm(self.ask, f"pin these keys in {known_hosts}, compared with what each host's own console says?")
        self.pinned += pin(known_hosts, shown, replace=self.replace)
        self.access.forget_keys()

    def _show(self, stop: "Stop", keys: "Shown") -> None:
        from cutover.remote.trust import states

        found = states(self.inventory.known_hosts, keys)
        document = {
            "fingerprints": {state.kind: state.shown.fingerprint for state in found if state.shown},
            "states": {state.kind: state.word for state in found},
            "was": {state.kind: state.pinned.fingerprint for state in found if state.pinned},
        }
        for host in stop.hosts:
            told = self.ask.hosts.setdefault(host.name, {})
            if stop.is_jump:
                told.setdefault("jumps", {})[keys.entry] = document
            else:
                told.update(document)
        for state in found:
            self.ask.say(f"{keys.entry + ' (jump host)' if stop.is_jump else stop.name:20} {state}")


def listing(where: Where) -> ExitCode:
    """Who is meant by a pattern. Asks no host."""
    return end(where.ask(), lambda ask: _list(where, ask))


def ping(where: Where) -> ExitCode:
    """Who can be reached."""
    return end(where.ask(), lambda ask: _ping(where, ask))


def _list(where: Where, ask: Ask) -> ExitCode:
    from cutover.inventory.load import load

    inventory = load(where.environment)
    for host in inventory.select(where.hosts or inventory.environment, where.limit):
        ask.hosts[host.name] = {
            "address": host.address,
            "port": host.port,
            "user": host.user,
            "key_file": str(host.identity_file) if host.identity_file else None,
            "jump": host.proxy_jump,
            "groups": list(host.groups),
        }
        ask.say(f"{host.name:20} {host.address:24} {', '.join(host.groups)}")
    return ExitCode.DONE


def _ping(where: Where, ask: Ask) -> ExitCode:
    from cutover.core.errors import Unreachable
    from cutover.remote.fleet import connected_as_far_as_possible

    with connected_as_far_as_possible(where.targets()) as (fleet, problems):
        for name in fleet.agents:
            login = fleet.logins[name]
            python = ".".join(map(str, login.python_version or ()))
            ask.hosts[name] = {
                "user": login.user,
                "python": python,
                "machine": login.machine,
                "hostname": login.hostname,
            }
            ask.say(f"{name:20} {login.user} with sudo, Python {python} on {login.machine}")
    if problems:
        raise Unreachable(problems)
    return ExitCode.DONE
