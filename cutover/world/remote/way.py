"""The way to a host: which jump hosts are passed, in which order, as ssh itself would go."""

from dataclasses import replace

from cutover.words.host import Host
from cutover.world.remote.deadline import Deadline
from cutover.world.remote.leg import Asked, Leg, Way, hops
from cutover.world.remote.ssh_config import ConfigError, SshConfig


def way_to(host: Host, config: SshConfig, deadline: Deadline) -> Way:
    """All legs to `host`, the outermost jump host first; ConfigError where the configuration gives none."""
    asked = Asked(host.address, host.user, host.port, host.proxy_jump, host.identity_file)
    target = config.leg(asked, deadline)
    target = replace(target, set_in=_where(target, f"`ansible_host` of {host.name}"))
    written = f"`ansible_ssh_common_args` of {host.name}" if host.proxy_jump else ""
    return (*_before(target, written, (), config, deadline), target)


def _before(leg: Leg, written: str, passed: tuple[str, ...], config: SshConfig, deadline: Deadline) -> Way:
    """The jump hosts before a leg. Only the first may have a way of its own: ssh reaches the others through the one before."""
    written = written or f"`ProxyJump` for {leg.name} in the SSH configuration"
    legs: list[Leg] = []
    for asked in hops(leg.jump):
        hop = config.leg(replace(asked, jump="none") if legs else asked, deadline)
        hop = replace(hop, is_jump=True, set_in=_where(hop, written))
        if legs:
            legs.append(replace(hop, jump="", proxy_command=""))
            continue
        chain = (*passed, f"{hop.user}@{hop.name}:{hop.port}")
        if chain[-1] in passed:
            raise ConfigError(
                f"the jump hosts go in a circle: {' -> '.join(chain)}",
                f"write `ProxyJump none` for {hop.name} in the SSH configuration, above what is meant for every host",
            )
        legs = [*_before(hop, "", chain, config, deadline), hop]
    return tuple(legs)


def _where(leg: Leg, written: str) -> str:
    """Where a person corrects the address of a leg."""
    if leg.address == leg.name:
        return written
    return f"`HostName` for {leg.name} in the SSH configuration (`ssh -G {leg.name}` shows it)"
