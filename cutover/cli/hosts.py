"""`hosts.list`, `hosts.ping`, `hosts.trust`."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cutover.cli.app import with_ask
from cutover.console.ask import Ask, confirm
from cutover.core.errors import ExitCode
from cutover.run.options import RunOptions

if TYPE_CHECKING:
    from cutover.inventory.load import Inventory
    from cutover.remote.connect import SshAccess
    from cutover.remote.fleet import Pool
    from cutover.remote.known_hosts import ShownKeys
    from cutover.remote.scan import ScanTarget


@with_ask
def trust(ask: Ask, options: RunOptions, *, replace: bool) -> ExitCode:
    """Show the keys of hosts and of the jump hosts before them, and pin them after a yes."""
    from cutover.inventory.load import load
    from cutover.remote.connect import SshAccess
    from cutover.remote.fleet import Pool, raise_all
    from cutover.remote.scan import rounds
    from cutover.remote.timeouts import FORKS, LOGIN_ALL_S
    from cutover.remote.transport import Deadline

    inventory = load(options.environment)
    hosts = inventory.select(options.hosts or inventory.environment, options.limit)
    access, pool = SshAccess(), Pool(options.forks or FORKS)
    routes = pool.map(
        lambda host: access.route(host, Deadline(LOGIN_ALL_S)),
        {host.name: host for host in hosts},
        deadline=LOGIN_ALL_S,
    )
    raise_all(routes)
    trusting = _Trusting(ask, inventory, access, pool, replace)
    for scanned in rounds({host: routes[host.name].unwrap() for host in hosts}):
        trusting.round(scanned)
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

    def round(self, targets: "list[ScanTarget]") -> None:
        """Show the keys of these machines; refuse or ask; pin."""
        from cutover.remote.fleet import raise_all
        from cutover.remote.known_hosts import must_be_pinnable, pin, states
        from cutover.remote.scan import scan
        from cutover.remote.timeouts import LOGIN_ALL_S

        known_hosts = self.inventory.known_hosts
        by_name = {target.name: target for target in targets}
        outcomes = self.pool.map(lambda target: scan(target, self.access), by_name, deadline=LOGIN_ALL_S)
        raise_all(outcomes)
        shown = [outcomes[target.name].unwrap() for target in targets]
        for target, keys in zip(targets, shown, strict=True):
            self._show(target, keys)
        must_be_pinnable(known_hosts, shown, replace=self.replace)
        if all(state.word == "pinned" for keys in shown for state in states(known_hosts, keys)):
            return
        confirm(self.ask, f"pin these keys in {known_hosts}, compared with each host's own console?")
        self.pinned += pin(known_hosts, shown, replace=self.replace)
        self.access.forget_keys()

    def _show(self, target: "ScanTarget", keys: "ShownKeys") -> None:
        from cutover.remote.known_hosts import states

        found = states(self.inventory.known_hosts, keys)
        document = {
            "fingerprints": {state.kind: state.shown.fingerprint for state in found if state.shown},
            "states": {state.kind: state.word for state in found},
            "was": {state.kind: state.pinned.fingerprint for state in found if state.pinned},
        }
        for host in target.hosts:
            shown = self.ask.hosts.setdefault(host.name, {})
            if target.is_jump:
                shown.setdefault("jumps", {})[keys.entry] = document
            else:
                shown.update(document)
        for state in found:
            self.ask.say(f"{keys.entry + ' (jump host)' if target.is_jump else target.name:20} {state}")


@with_ask
def listing(ask: Ask, options: RunOptions) -> ExitCode:
    """List the hosts of a pattern, without connecting to them."""
    from cutover.inventory.load import load

    inventory = load(options.environment)
    for host in inventory.select(options.hosts or inventory.environment, options.limit):
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


@with_ask
def ping(ask: Ask, options: RunOptions) -> ExitCode:
    """Log in to each host."""
    from cutover.core.errors import Unreachable
    from cutover.remote.fleet import connected_as_far_as_possible

    with connected_as_far_as_possible(options.targets()) as (fleet, problems):
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
