"""The service on the test hosts: which version serves on each, and V1 put in service where nothing does."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import lab
from cutover.core.errors import Problem, Refused
from cutover.inventory.targets import Options, choose
from lab.provision import provision

UNITS = ("abaco-pipeline-v1.service", "abaco-pipeline-v2.service", "lab-tapes.service")


@dataclass(frozen=True)
class Service:
    """What runs on a host, by its systemd: the two versions, and the stream of tapes."""

    v1: bool
    v2: bool
    tapes: bool

    @property
    def words(self) -> str:
        """Which version is in service."""
        return " and ".join(name for name, runs in (("V1", self.v1), ("V2", self.v2)) if runs) or "nothing"

    @property
    def unfinished(self) -> bool:
        """Whether the role has not come to its end here: no version serves, or V1 does and is given no tapes."""
        return not self.v2 and not (self.v1 and self.tapes)


def service_of(name: str, place: lab.Lab | None = None) -> Service:
    """Ask a host's systemd, from behind: a host that is cut off answers too."""
    said = lab.exec_in(name, ["systemctl", "is-active", *UNITS], lab=place)
    states = said.stdout.split()
    if len(states) != len(UNITS):
        found = f"systemctl does not say which version is in service: {(said.stderr or said.stdout).strip()[-300:]!r}"
        raise Refused(Problem(host=name, found=found, next="`./invokew lab.reboot --host " + name + "`, then again"))
    return Service(*(state == "active" for state in states))


def put_in_service(
    names: Sequence[str], options: Options, tell: Callable[[str], None], place: lab.Lab | None = None
) -> None:
    """V1 in service under a stream of tapes on each of these hosts where that is not finished; Refused where it does not come to be."""
    bare = [name for name in names if service_of(name, place).unfinished]
    if not bare:
        return
    tell(f"putting V1 in service on {', '.join(bare)}, under a stream of tapes")
    provision(choose(replace(options, limit=",".join(bare))), f"lab-{time.time_ns()}")
    left = {name: service for name in bare if (service := service_of(name, place)).unfinished}
    if left:
        raise Refused(
            Problem(
                host=name,
                found=f"{service.words} in service{'' if service.tapes else ', no tapes are delivered'}",
                next=f"see the journal of {UNITS[0]} and {UNITS[2]} on the host; lab.down and lab.up make it anew",
            )
            for name, service in left.items()
        )
