"""`hosts.list`, `hosts.ping`, `hosts.trust`, and `agent.install`."""

import base64
import shlex
import zlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from cutover.cli.app import with_ask
from cutover.console.ask import Ask, confirm
from cutover.core.errors import ExitCode, Problem, Refused
from cutover.run.options import RunOptions

if TYPE_CHECKING:
    from cutover.remote.known_hosts import KeyState, ShownKeys
    from cutover.remote.scan import ScanTarget


@with_ask
def trust(ask: Ask, options: RunOptions, *, replace: bool) -> ExitCode:
    """Show the keys of hosts and of the jump hosts before them, and pin them after a yes."""
    from cutover.inventory.load import load
    from cutover.remote.connect import SshAccess
    from cutover.remote.fleet import Pool, raise_all
    from cutover.remote.known_hosts import must_be_pinnable, pin, states
    from cutover.remote.scan import rounds, scan
    from cutover.remote.timeouts import FORKS, LOGIN_ALL_S
    from cutover.remote.transport import Deadline

    inventory = load(options.environment)
    hosts = {host.name: host for host in inventory.select(options.hosts or inventory.environment, options.limit)}
    access, pool, known_hosts = SshAccess(), Pool(options.forks or FORKS), inventory.known_hosts
    routes = pool.map(lambda host: access.route(host, Deadline(LOGIN_ALL_S)), hosts, deadline=LOGIN_ALL_S)
    raise_all(routes)
    pinned: list[str] = []
    # Round by round: nobody logs in on a jump host before a person has said yes to its key.
    for targets in rounds({host: routes[name].unwrap() for name, host in hosts.items()}):
        by_name = {target.name: target for target in targets}
        outcomes = pool.map(partial(scan, access=access), by_name, deadline=LOGIN_ALL_S)
        raise_all(outcomes)
        shown = [outcomes[target.name].unwrap() for target in targets]
        found = [states(known_hosts, keys) for keys in shown]
        for target, keys, its_states in zip(targets, shown, found, strict=True):
            _show_keys(ask, target, keys, its_states)
        must_be_pinnable(known_hosts, shown, replace=replace)
        if all(state.word == "pinned" for its_states in found for state in its_states):
            continue
        confirm(ask, f"pin these keys in {known_hosts}, compared with each host's own console?")
        pinned += pin(known_hosts, shown, replace=replace)
        access = SshAccess()  # which reads them
    ask.say(f"pinned: {', '.join(pinned) or 'nothing new'}")
    return ExitCode.DONE


def _show_keys(ask: Ask, target: "ScanTarget", keys: "ShownKeys", found: "Sequence[KeyState]") -> None:
    document = {
        "fingerprints": {state.kind: state.shown.fingerprint for state in found if state.shown},
        "states": {state.kind: state.word for state in found},
        "was": {state.kind: state.pinned.fingerprint for state in found if state.pinned},
    }
    for host in target.hosts:
        shown = ask.hosts.setdefault(host.name, {})
        if target.is_jump:
            shown.setdefault("jumps", {})[keys.entry] = document
        else:
            shown.update(document)
    for state in found:
        ask.say(f"{keys.entry + ' (jump host)' if target.is_jump else target.name:20} {state}")


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
    from cutover.remote.fleet import reached

    with reached(options.targets()) as (fleet, problems):
        for name in fleet.agents:
            login = fleet.logins[name]
            ask.hosts[name] = {key: login[key] for key in ("user", "python", "machine", "hostname")}
            ask.say(f"{name:20} {login['user']} with sudo, Python {login['python']} on {login['machine']}")
    if problems:
        raise Unreachable(problems)
    return ExitCode.DONE


# Run on the host as root: puts a program in its place, whole or not at all.
PLACE = """
import base64, os, sys, zlib
path, content = sys.argv[1], zlib.decompress(base64.b64decode(sys.argv[2]))
os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
with open(path + ".new", "wb") as out:
    os.fchmod(out.fileno(), 0o755)
    out.write(content)
    out.flush()
    os.fsync(out.fileno())
os.rename(path + ".new", path)
"""


@with_ask
def install(ask: Ask, options: RunOptions, into: str) -> ExitCode:
    """Put this version's agent on each host as root's own program, and show the one rule that sudoers then need.

    With `into` (a directory on this machine) it is put there, for whoever distributes what is root's; no host is asked.
    """
    from cutover.agent.durable import write_atomically
    from cutover.core.errors import Unreachable
    from cutover.remote.agent import HostAgent, Installed
    from cutover.remote.fleet import reached
    from cutover.remote.timeouts import LOGIN_S

    targets = options.targets()
    programs = {host.name: Installed(host.python) for host in targets.hosts}
    for made in dict.fromkeys(programs.values()):
        names = ", ".join(name for name, one in programs.items() if one == made)
        ask.say(f"{names}: {made.path}, sha256 {made.digest}")
        if into:
            write_atomically(Path(into) / Path(made.path).name, made.content, mode=0o755)
            ask.say(made.rule("LOGIN"))
    if into:
        return ExitCode.DONE
    confirm(ask, "put it there, as root?")

    def place(agent: HostAgent) -> None:
        made = programs[agent.name]
        packed = base64.b64encode(zlib.compress(made.content, 9)).decode()
        done = agent.shell(shlex.join([made.python, "-IS", "-c", PLACE, made.path, packed]), deadline=LOGIN_S)
        if done.exit_code != 0:
            said = done.stderr.decode(errors="replace").strip()
            raise Refused(
                Problem(f"it was not written: {said}", "see that file system on the host", agent.name, made.path)
            )

    with reached(targets, sent=True) as (fleet, problems):
        fleet.every(place, deadline=LOGIN_S)
        for name in fleet.agents:
            made = programs[name]
            rule = made.rule(fleet.logins[name]["user"])
            ask.hosts[name] = {"path": made.path, "sha256": made.digest, "rule": rule}
            ask.say(f"{name}: {rule}")
    if problems:
        raise Unreachable(problems)
    return ExitCode.DONE
