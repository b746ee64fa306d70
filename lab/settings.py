"""Names, addresses and places of a lab: all that it makes carries its prefix, which tells it from others'."""

import hashlib
import os
import re
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from cutover.core.errors import Problem, UsageError

MAX_HOSTS = 200
USER = "deploy"
_BENCHMARK_NETWORK = IPv4Network("198.18.0.0/15")  # reserved for benchmarks: no office network uses it
_NETWORK = IPv4Network("198.18.77.0/24")
_FIRST_HOST = 10  # lab1 is .11, so that the last part of an address tells the host's number
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
            found = f"prefix {self.prefix!r} is not 2 to 8 of a-z and 0-9 with a letter first"
            problems.append(Problem(path="lab.prefix", found=found, next="choose a prefix such as cutlab"))
        if not self.network.subnet_of(_BENCHMARK_NETWORK) or self.network.prefixlen > 24:
            found = f"network {self.network} is not a /24 or larger inside {_BENCHMARK_NETWORK}"
            problems.append(Problem(path="lab.network", found=found, next="choose one such as 198.18.77.0/24"))
        if problems:
            raise UsageError(problems)

    @classmethod
    def from_environment(cls) -> "Lab":
        """The default lab; CUTOVER_LAB_DIR and CUTOVER_LAB_CACHE say where its state and its base are kept."""
        state = os.environ.get("CUTOVER_LAB_DIR") or cls.state
        cache = os.environ.get("CUTOVER_LAB_CACHE") or cls.cache
        return cls(state=_real(state), cache=_real(cache))

    @property
    def bridge(self) -> str:
        """Name of the bridge that all cables lead to."""
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
        """Where the hosts' directories are, one each."""
        return self.state / "hosts"

    def seat(self, number: int) -> "Seat":
        """The place of the host with a number."""
        return Seat(self, number)

    def seats(self, count: int) -> tuple["Seat", ...]:
        """The places of the hosts lab1 to lab<count>."""
        if not 1 <= count <= MAX_HOSTS:
            found = f"{count} hosts asked for"
            raise UsageError(Problem(path="--count", found=found, next=f"choose 1 to {MAX_HOSTS}"))
        return tuple(self.seat(number) for number in range(1, count + 1))


@dataclass(frozen=True)
class Seat:
    """The place of one host: what each of its objects on the controller is called."""

    lab: Lab = field(repr=False)
    number: int

    @property
    def name(self) -> str:
        """What the host is called, by itself and by the inventory."""
        return f"lab{self.number}"

    @property
    def machine(self) -> str:
        """Name of the machine, of its network namespace and of its control group."""
        return f"{self.lab.prefix}-{self.name}"

    @property
    def link(self) -> str:
        """Controller's end of the host's cable."""
        return f"{self.lab.prefix}-h{self.number}"

    @property
    def address(self) -> IPv4Address:
        """The host's address."""
        return self.lab.network[_FIRST_HOST + self.number]

    @property
    def mac(self) -> str:
        """The host's hardware address: the same when it is made anew, since its neighbours remember it for a while."""
        digest = hashlib.sha256(self.machine.encode()).digest()
        return ":".join(f"{byte:02x}" for byte in (0x02, *digest[:5]))  # 02: locally administered, one receiver

    @property
    def directory(self) -> Path:
        """What the controller keeps of the host."""
        return self.lab.hosts_dir / self.name

    @property
    def image(self) -> Path:
        """The host's disk: a sparse file."""
        return self.directory / "disk.img"

    @property
    def disk(self) -> Path:
        """Where the host's own file system is mounted: its changes to the base, and the filler."""
        return self.directory / "disk"

    @property
    def root(self) -> Path:
        """The host's root file system as the controller sees it."""
        return self.directory / "root"

    @property
    def console(self) -> Path:
        """What the host has written to its console, over all boots."""
        return self.directory / "console.log"

    @property
    def host_key(self) -> Path:
        """Private ssh host key, made on the controller before the first boot."""
        return self.directory / "ssh_host_ed25519_key"


def _real(place: str | Path) -> Path:
    """Without links: the kernel's table of mounts, by which we know what must not be removed, has none either."""
    return Path(os.path.realpath(place))


def number_of(name: str) -> int | None:
    """The number in a host's name such as lab12; None for any other word."""
    match = re.fullmatch(r"lab([1-9][0-9]{0,2})", name)
    return int(match[1]) if match else None
