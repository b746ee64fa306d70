"""Which hosts are meant, and what is set for them: inventory, pattern, variables. Asks no host."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from cutover.core.errors import Problem, UsageError
from cutover.core.host import Host
from cutover.inventory.declarations import Declarations, declarations
from cutover.inventory.load import Inventory, load, locate
from cutover.inventory.variables import Variables, resolve_all


def configured() -> str:
    """The default environment: what CUTOVER_INVENTORY names, a directory or just its name below inventory/."""
    return os.environ.get("CUTOVER_INVENTORY", "")


@dataclass(frozen=True)
class Options:
    """What a person asked for on the command line."""

    root: Path
    hosts: str
    inventory: str = ""
    limit: str = ""
    serial: str = ""
    forks: int = 0
    release: str = ""


@dataclass(frozen=True)
class Targets:
    """The chosen hosts with their variables."""

    options: Options
    inventory: Inventory
    declared: Declarations
    hosts: tuple[Host, ...]
    variables: Mapping[str, Variables]

    @property
    def root(self) -> Path:
        """The checkout: inventory/, roles/, templates/."""
        return self.options.root

    @property
    def environment(self) -> str:
        """The environment's name."""
        return self.inventory.environment

    @property
    def place(self) -> str:
        """Where its inventory lies, from the checkout on where it is in there: a later command finds it again by the run."""
        directory, root = self.inventory.directory.absolute(), self.root.absolute()
        return str(directory.relative_to(root) if directory.is_relative_to(root) else directory)

    @property
    def names(self) -> tuple[str, ...]:
        """The chosen hosts' names in the order of the inventory."""
        return tuple(host.name for host in self.hosts)

    def others(self, names: Iterable[str]) -> "Targets":
        """Hosts of this inventory that were not chosen, to be asked all the same; names that it does not have are left out."""
        hosts = tuple(self.inventory.hosts[name] for name in names if name in self.inventory.hosts)
        return replace(self, hosts=hosts, variables=resolve_all(hosts, self.declared))

    @property
    def serial(self) -> str:
        """The batches that were asked for, else those of the variables."""
        return self.options.serial or str(self.shared("cutover_serial"))

    def shared(self, variable: str) -> object:
        """A variable that concerns the run as a whole, and so must be the same on all its hosts."""
        values = {str(self.variables[name][variable]): name for name in self.names}
        if len(values) > 1:
            said = ", ".join(f"{value} on {name}" for value, name in values.items())
            raise UsageError(
                Problem(
                    path=variable, found=f"it differs between hosts: {said}", next="set it once, for the whole group"
                )
            )
        value: object = self.variables[self.names[0]][variable]
        return value


def choose(options: Options) -> Targets:
    """Load the inventory and choose hosts; all that is wrong with their variables is told at once (UsageError).

    An empty pattern means all hosts of the environment, by the group that has its name.
    """
    inventory = load(locate(options.hosts, options.inventory, options.root, configured()))
    options = replace(options, hosts=options.hosts or inventory.environment)
    roles = sorted(path.parent.name for path in (options.root / "roles").glob("*/defaults.yml"))
    declared = declarations(options.root / "roles", roles)
    hosts = inventory.select(options.hosts, options.limit)
    return Targets(options, inventory, declared, hosts, resolve_all(hosts, declared))
