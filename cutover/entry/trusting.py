"""`hosts.trust`: shows the keys of hosts and of the jump hosts before them, and pins them after a yes."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cutover.entry.app import Ask, confirm, end
from cutover.entry.where import Where
from cutover.words.errors import ExitCode

if TYPE_CHECKING:
    from cutover.decide.inventory import Inventory
    from cutover.world.remote.connecting import SshAccess
    from cutover.world.remote.pool import Pool
    from cutover.world.remote.scan import Stop
    from cutover.world.trust import Shown

SECONDS = 60  # for all hosts of a round


def trust(where: Where, *, replace: bool, yes: bool) -> ExitCode:
    """Whose keys are pinned."""
    return end(where.ask(yes=yes), lambda ask: _trust(where, ask, replace=replace))


def _trust(where: Where, ask: Ask, *, replace: bool) -> ExitCode:
    from cutover.conduct.fleet import raise_all
    from cutover.decide.inventory import load
    from cutover.world.remote.connecting import SshAccess
    from cutover.world.remote.deadline import Deadline
    from cutover.world.remote.pool import FORKS, Pool
    from cutover.world.remote.scan import rounds

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
        from cutover.conduct.fleet import raise_all
        from cutover.world.remote.scan import scan
        from cutover.world.trust import must_be_pinnable, pin, states

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
        from cutover.world.trust import states

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
