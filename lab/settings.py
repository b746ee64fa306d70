"""Names, addresses and paths of a lab: everything that it makes carries its prefix, so that labs can run side by side."""

import hashlib
import os
import re
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from cutover.core.errors import Problem, UsageError

MAX_HOSTS = 200
USER = "deploy"
_NETWORK = IPv4Network("198.18.77.0/24")
_BENCHMARK_NETWORK = IPv4Network("198.18.0.0/15")  # reserved for benchmarks: no office network uses it
_FIRST_HOST = 10  # lab1 is .11, lab2 is .12
_PREFIX = re.compile(r"[a-z][a-z0-9]{1,7}")  # a link's name has 15 characters, "-h200" included


@dataclass(frozen=True)
class Lab:
    """One lab. Two labs run side by side when prefix, network and state directory differ."""

    prefix: str = "cutlab"
    network: IPv4Network = _NETWORK
    state: Path = Path("/var/lib/cutover-lab")
    cache: Path = Path("/var/cache/cutover-lab")

    def __post_init__(self) -> None:
        problems = []
        if not _PREFIX.fullmatch(self.prefix):
            found = f"prefix {self.prefix!r}, expected 2 to 8 of a-z and 0-9, a letter first"
            problems.append(Problem(path="lab.prefix", found=found, next="choose a prefix such as cutlab"))
        if not self.network.subnet_of(_BENCHMARK_NETWORK) or self.network.prefixlen > 24:
            found = f"network {self.network}, expected a /24 or larger inside {_BENCHMARK_NETWORK}"
            problems.append(Problem(path="lab.network", found=found, next="choose one such as 198.18.77.0/24"))
        if problems:
            raise UsageError(problems)

    @classmethod
    def from_environment(cls) -> "Lab":
        """The default lab; CUTOVER_LAB_DIR and CUTOVER_LAB_CACHE move its state and its cache.

        Paths are resolved: the kernel's mount table, by which we know what must not be removed, has no symbolic links.
        """
        state, cache = os.environ.get("CUTOVER_LAB_DIR"), os.environ.get("CUTOVER_LAB_CACHE")
        return cls(state=Path(os.path.realpath(state or cls.state)), cache=Path(os.path.realpath(cache or cls.cache)))

    @property
    def bridge(self) -> str:
        """Name of the bridge that connects the hosts."""
        return f"{self.prefix}-br"

    @property
    def bridge_address(self) -> str:
        """The controller's own address on the bridge, with its prefix length."""
        return f"{self.network[1]}/{self.network.prefixlen}"

    @property
    def client_key(self) -> Path:
        """The private key that opens every host of the lab."""
        return self.state / "id_ed25519"

    @property
    def hosts_dir(self) -> Path:
        """The directory that has one directory for each host."""
        return self.state / "hosts"

    def slot(self, number: int) -> "Slot":
        """Names, address and paths of the host with a number."""
        name = f"lab{number}"
        machine, directory = f"{self.prefix}-{name}", self.hosts_dir / name
        digest = hashlib.sha256(machine.encode()).digest()
        return Slot(
            lab=self,
            number=number,
            name=name,
            machine=machine,
            link=f"{self.prefix}-h{number}",
            address=self.network[_FIRST_HOST + number],
            mac=":".join(f"{byte:02x}" for byte in (0x02, *digest[:5])),  # 02: locally administered, one receiver
            directory=directory,
            image=directory / "disk.img",
            disk=directory / "disk",
            root=directory / "root",
            console=directory / "console.log",
            host_key=directory / "ssh_host_ed25519_key",
        )

    def slots(self, count: int) -> tuple["Slot", ...]:
        """The slots of the hosts lab1 to lab<count>."""
        if not 1 <= count <= MAX_HOSTS:
            found = f"{count} hosts, expected 1 to {MAX_HOSTS}"
            raise UsageError(Problem(path="--count", found=found, next=f"choose 1 to {MAX_HOSTS}"))
        return tuple(self.slot(number) for number in range(1, count + 1))


@dataclass(frozen=True)
class Slot:
    """Names, address and paths of one host, whether it exists or not."""

    lab: Lab = field(repr=False)
    number: int
    name: str  # the host's own name, and in the inventory
    machine: str  # the nspawn machine, its network namespace and its control group
    link: str  # controller's end of the host's cable
    address: IPv4Address
    mac: str  # the same when the host is made anew, since its neighbors remember it for a while
    directory: Path  # what the controller keeps of the host
    image: Path  # the host's disk: a sparse file
    disk: Path  # where it is mounted: the host's changes to the base, and the filler of lab.fill
    root: Path  # the host's root file system as the controller sees it
    console: Path  # console output of all boots
    host_key: Path  # private SSH host key, made before the first boot


def number_of(name: str) -> int | None:
    """The number in a host's name such as lab12; None for any other word."""
    match = re.fullmatch(r"lab([1-9][0-9]{0,2})", name)
    return int(match[1]) if match else None
