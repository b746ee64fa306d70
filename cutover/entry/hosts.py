"""`hosts.list`, `hosts.ping`, `hosts.trust`."""

from cutover.entry.app import Ask, confirm, end
from cutover.entry.where import Where
from cutover.words.errors import ExitCode


def listing(where: Where) -> ExitCode:
    """Who is meant by a pattern. Asks no host."""
    return end(where.ask(), lambda ask: _list(where, ask))


def ping(where: Where) -> ExitCode:
    """Who can be reached."""
    return end(where.ask(), lambda ask: _ping(where, ask))


def trust(where: Where, *, replace: bool, yes: bool) -> ExitCode:
    """Whose keys are pinned."""
    return end(where.ask(yes=yes), lambda ask: _trust(where, ask, replace=replace))


def _list(where: Where, ask: Ask) -> ExitCode:
    from cutover.decide.inventory import load

    inventory = load(where.environment)
    for host in inventory.select(where.hosts or inventory.environment, where.limit):
        ask.hosts[host.name] = {
            "address": host.address,
            "port": host.port,
            "user": host.user,
            "groups": list(host.groups),
        }
        ask.say(f"{host.name:20} {host.address:24} {', '.join(host.groups)}")
    return ExitCode.DONE


def _ping(where: Where, ask: Ask) -> ExitCode:
    from cutover.conduct.fleet import connected_as_far_as_possible
    from cutover.words.errors import Unreachable

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


def _trust(where: Where, ask: Ask, *, replace: bool) -> ExitCode:
    from cutover.conduct.fleet import raise_all
    from cutover.decide.inventory import load
    from cutover.world.remote.connecting import SshAccess
    from cutover.world.remote.pool import FORKS, Pool
    from cutover.world.remote.scan import scan
    from cutover.world.trust import pin

    inventory = load(where.environment)
    access = SshAccess()
    hosts = inventory.select(where.hosts or inventory.environment, where.limit)
    outcomes = Pool(where.forks or FORKS).map(lambda host: scan(host, access), hosts, deadline=60)
    raise_all(outcomes)
    shown = [outcome.unwrap() for outcome in outcomes.values()]
    for keys in shown:
        ask.hosts[keys.host] = {"fingerprints": keys.fingerprints}
        for kind, fingerprint in keys.fingerprints.items():
            ask.say(f"{keys.host:20} {kind:24} {fingerprint}")
    confirm(ask, f"pin these keys in {inventory.known_hosts}, compared with what each host's own console says?")
    pinned = pin(inventory.known_hosts, shown, replace=replace)
    ask.say(f"pinned: {', '.join(pinned) or 'nothing new'}")
    return ExitCode.DONE
