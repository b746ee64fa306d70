"""The service on the test hosts: which release serves on each, and the old one put in service where none does."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import lab
from cutover.core.errors import Problem, Refused
from cutover.inventory.targets import Options, choose
from lab.provision import provision

V1, V2, TAPES = "abaco-pipeline-v1.service", "abaco-pipeline-v2.service", "lab-tapes.service"
# What differs in the lab from production: the environment's name, and a bake time that a person can wait for.
# Nobody answers a checklist for test hosts: its lines are shown, and recorded as open.
VARIABLES: dict[str, object] = {
    "cutover_service": "abaco",
    "abaco_environment": "lab",
    "abaco_connections": [],
    "cutover_bake_s": 3,
    "cutover_bake_every_s": 0.5,
    "people_checklist": "shown",
}


@dataclass(frozen=True)
class ServiceState:
    """What runs on a host, by its systemd: the two releases, and the stream of tapes."""

    v1: bool
    v2: bool
    tapes: bool

    @property
    def serving(self) -> str:
        """Which release is in service, in words."""
        return " and ".join(name for name, runs in (("V1", self.v1), ("V2", self.v2)) if runs) or "nothing"

    @property
    def unfinished(self) -> bool:
        """Whether the role has not run to its end here: no release serves, or V1 does without a stream of tapes."""
        return not self.v2 and not (self.v1 and self.tapes)


def service_of(name: str, place: lab.Lab | None = None) -> ServiceState:
    """Ask a host's systemd, without SSH: a host whose cable is cut answers too."""
    done = lab.exec_in(name, ["systemctl", "is-active", V1, V2, TAPES], lab=place)
    states = done.stdout.split()
    if len(states) != 3:
        found = f"systemctl is-active of three units printed {(done.stderr or done.stdout).strip()[-300:]!r}"
        next_ = f"`./invokew lab.reboot --host {name}`, then run the command again"
        raise Refused(Problem(host=name, found=found, next=next_))
    return ServiceState(*(state == "active" for state in states))


def make_hosts(root: Path, count: int, progress: Callable[[str], None]) -> tuple[str, ...]:
    """Make test hosts, write inventory/lab, put V1 in service where no release serves. Returns the hosts' names."""
    hosts = lab.up(count, inventory=root / "inventory" / "lab", group_vars=VARIABLES, progress=progress)
    names = tuple(host.name for host in hosts)
    put_in_service(names, Options(root=root, hosts="lab"), progress)
    return names


def put_in_service(
    names: Sequence[str], options: Options, progress: Callable[[str], None], place: lab.Lab | None = None
) -> None:
    """Put V1 in service under a stream of tapes on the hosts where that is unfinished; Refused where it fails."""
    bare = [name for name in names if service_of(name, place).unfinished]
    if not bare:
        return
    progress(f"putting V1 in service on {', '.join(bare)}, under a stream of tapes")
    provision(choose(replace(options, limit=",".join(bare))), f"lab-{time.time_ns()}")
    states = {name: service_of(name, place) for name in bare}
    problems = [
        Problem(
            host=name,
            found=f"{state.serving} in service, stream of tapes {'running' if state.tapes else 'stopped'}",
            next=f"read the journal of {V1} and {TAPES} on the host; lab.down and lab.up make it anew",
        )
        for name, state in states.items()
        if state.unfinished
    ]
    if problems:
        raise Refused(problems)
