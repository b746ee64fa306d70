"""Where the bench measures: test hosts of its own beside the default lab, and a checkout made of links, so that its runs stay apart."""

import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path

import lab
from cutover.core.errors import Problem, Refused

LAB = lab.Lab(prefix="cutlabb", network=IPv4Network("198.18.95.0/24"), state=Path("/var/lib/cutover-lab-bench"))
ENVIRONMENT = "bench"
OWN = ("inventory", "logs")  # what the checkout of links has by itself, besides its runs
KEPT = ("cache", "releases")  # of .cutover: what was built once is not built again


@dataclass(frozen=True)
class Ground:
    """Running hosts, and the checkout whose inventory `bench` names them."""

    checkout: Path
    hosts: tuple[lab.LabHost, ...]

    @property
    def names(self) -> list[str]:
        """The hosts' names."""
        return [host.name for host in self.hosts]

    def root_shell(self, name: str, script: str) -> str:
        """Run a bash script as root on a host, behind SSH's back; Refused with what it said where it fails."""
        done = lab.exec_in(name, ["bash", "-eu"], stdin=script, timeout=60, lab=LAB)
        if done.exit_code != 0:
            raise Refused(
                Problem(
                    host=name,
                    found=f"{done.stderr.strip() or done.stdout.strip()} (exit status {done.exit_code})",
                    next="see bench/toys.py",
                )
            )
        return done.stdout


@contextmanager
def hosts_up(count: int, checkout: Path, group_vars: Mapping[str, object]) -> Iterator[Ground]:
    """Fresh hosts for as long as they are needed; taken away whatever happens, SIGTERM included."""
    before = signal.signal(signal.SIGTERM, _leave)
    try:
        lab.down(lab=LAB)  # of a bench that was killed
        made = lab.up(count, inventory=checkout / "inventory" / ENVIRONMENT, group_vars=group_vars, lab=LAB)
        yield Ground(checkout, made)
    finally:
        lab.down(lab=LAB)
        signal.signal(signal.SIGTERM, before)


def linked_checkout(root: Path, place: Path) -> Path:
    """A checkout with the code and the caches of `root`, but with inventory, runs and logs of its own."""
    place.mkdir()
    (place / ".cutover").mkdir()
    for entry in root.iterdir():
        if entry.name not in OWN and not entry.name.startswith("."):
            (place / entry.name).symlink_to(entry)
    for name in KEPT:
        (root / ".cutover" / name).mkdir(parents=True, exist_ok=True)
        (place / ".cutover" / name).symlink_to(root / ".cutover" / name)
    return place


def _leave(number: int, _frame: object) -> None:
    raise SystemExit(128 + number)
