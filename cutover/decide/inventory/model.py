"""The inventory of one environment, loaded and checked: its hosts, its groups, and what a pattern picks."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cutover.decide.inventory.patterns import choose
from cutover.words.errors import Problem, UsageError
from cutover.words.host import Host


@dataclass(frozen=True)
class Inventory:
    """Hosts by name in the order of hosts.yml, and groups with the names of all their hosts in that order."""

    directory: Path
    environment: str
    hosts: Mapping[str, Host]
    groups: Mapping[str, tuple[str, ...]]

    @property
    def known_hosts(self) -> Path:
        """The pinned host keys of this environment."""
        return self.directory / "known_hosts"

    def select(self, pattern: str, limit: str = "") -> tuple[Host, ...]:
        """The hosts of a pattern that are also in the limit, in the order of the file; never none."""
        names = choose(pattern, "--hosts", self.groups, self.hosts)
        if limit:
            within = set(choose(limit, "--limit", self.groups, self.hosts))
            names = tuple(name for name in names if name in within)
        if not names:
            found = f"--hosts {pattern} and --limit {limit} have no host in common"
            raise UsageError(
                Problem(found, "widen one of the two; `./invokew hosts.list` shows the groups", path="--limit")
            )
        return tuple(self.hosts[name] for name in names)
