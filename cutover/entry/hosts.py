"""`hosts.list`, `hosts.ping`."""

from cutover.entry.app import Ask, end
from cutover.entry.where import Where
from cutover.words.errors import ExitCode


def listing(where: Where) -> ExitCode:
    """Who is meant by a pattern. Asks no host."""
    return end(where.ask(), lambda ask: _list(where, ask))


def ping(where: Where) -> ExitCode:
    """Who can be reached."""
    return end(where.ask(), lambda ask: _ping(where, ask))


def _list(where: Where, ask: Ask) -> ExitCode:
    from cutover.decide.inventory import load

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
