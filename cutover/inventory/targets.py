"""Which hosts are meant, and what is set for them: inventory, pattern, variables. Asks no host."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cutover.core.errors import Problem, UsageError
from cutover.core.host import Host
from cutover.inventory.declarations import Declarations, declarations
from cutover.inventory.load import Inventory, load, locate
from cutover.inventory.schema import listed
from cutover.inventory.variables import Variables, resolve_all
from cutover.inventory.yamlfile import read

STANDARD = "standard"  # the role that takes any service through the phases


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
    service: str = ""


@dataclass(frozen=True)
class Targets:
    """The chosen hosts with their variables."""

    options: Options
    inventory: Inventory
    service: str  # the role of the service that the command is about
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
        there = (self.inventory.hosts[name] for name in names if name in self.inventory.hosts)
        hosts = tuple(_of_service(host, self.service, self.root, self.declared) for host in there)
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
            advice = "set it once, for the whole group"
            raise UsageError(Problem(f"it differs between hosts: {said}", advice, path=variable))
        value: object = self.variables[self.names[0]][variable]
        return value


SERVICE = "cutover_service"  # the variable that says which service a run is about


def choose(options: Options) -> Targets:
    """Load the inventory and choose hosts and service; everything that is wrong with their variables at once (UsageError).

    An empty pattern means all hosts of the environment, by the group that has its name.
    """
    inventory = load(locate(options.hosts, options.inventory, options.root, configured()))
    options = replace(options, hosts=options.hosts or inventory.environment)
    hosts = inventory.select(options.hosts, options.limit)
    service = options.service or service_of(hosts)
    declared = declarations(options.root / "roles", [STANDARD, service])
    hosts = tuple(_of_service(host, service, options.root, declared) for host in hosts)
    return Targets(options, inventory, service, declared, hosts, resolve_all(hosts, declared))


def service_of(hosts: Sequence[Host]) -> str:
    """The service that the inventory names for all of these hosts; UsageError where there is none, or more than one."""
    named: dict[str, list[str]] = {}
    for host in hosts:
        named.setdefault(str(host.variables.get(SERVICE, "")), []).append(host.name)
    if len(named) == 1 and "" not in named:
        return next(iter(named))
    found = "; ".join(f"{service or 'none'} on {listed(names)}" for service, names in named.items())
    next_ = f"set {SERVICE} in group_vars, choose hosts of one service with --limit, or name it with --service"
    raise UsageError(Problem(f"one service is needed, and the hosts have: {found}", next_, path=SERVICE))


def _of_service(host: Host, service: str, root: Path, declared: Declarations) -> Host:
    """The host without the variables of other services: a host may have several, and a run is about one."""
    unknown = {name for name in host.variables if name not in declared}
    if unknown:
        unknown &= _of_others(root, service)
    variables = {name: value for name, value in host.variables.items() if name not in unknown}
    return replace(host, variables={**variables, SERVICE: service})


def _of_others(root: Path, service: str) -> set[str]:
    """The names of the variables that the other services of the checkout declare."""
    problems: list[Problem] = []
    files = (path for path in (root / "roles").glob("*/defaults.yml") if path.parent.name not in (STANDARD, service))
    documents = [read(path, problems) for path in files]
    if problems:
        raise UsageError(problems)
    values = [document.value for document in documents if document is not None]
    return {str(name) for value in values if isinstance(value, Mapping) for name in value}
