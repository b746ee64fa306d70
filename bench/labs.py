"""How quickly test hosts are there: a few, and many, with V1 in service on them as lab.up leaves them."""

import subprocess
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import lab
from bench.ground import ENVIRONMENT, LAB, Ground, hosts_up
from cutover.core.errors import Problem, Refused
from cutover.inventory.targets import Options
from lab.service import put_in_service

FEW, MANY = 3, 30
AT_ONCE = 10  # logins


@dataclass(frozen=True)
class Raised:
    """Seconds until hosts that were not there had V1 in service, until each was logged into, and until all were gone again."""

    hosts: int
    up: float
    logins: float
    down: float


def raised(count: int, checkout: Path, group_vars: Mapping[str, object], tell: Callable[[str], None]) -> Raised:
    """Make hosts, log in to each, take them away. The base is cached, and no host is up before."""
    lab.down(lab=LAB)
    began = time.perf_counter()
    with hosts_up(count, checkout, group_vars) as ground:
        in_service(ground, tell)
        up = time.perf_counter()
        _log_in(ground)
        there = time.perf_counter()
    took = Raised(count, up - began, there - up, time.perf_counter() - there)
    tell(f"{count} hosts up in {took.up:.1f} s, logged into in {took.logins:.1f} s, down in {took.down:.1f} s")
    return took


def in_service(ground: Ground, tell: Callable[[str], None]) -> None:
    """V1 on every host, under a stream of tapes."""
    put_in_service(ground.names, Options(root=ground.checkout, hosts=ENVIRONMENT), tell, LAB)


def _log_in(ground: Ground) -> None:
    """With plain ssh and the pinned keys; Refused names every host that does not let us in."""
    known = ground.checkout / "inventory" / ENVIRONMENT / "known_hosts"
    options = ["BatchMode=yes", "StrictHostKeyChecking=yes", f"UserKnownHostsFile={known}", "ConnectTimeout=10"]

    def log_in(host: lab.LabHost) -> list[Problem]:
        chosen = [word for option in options for word in ("-o", option)]
        argv = ["ssh", "-F", "none", *chosen, "-i", str(host.key_file), f"{host.user}@{host.address}", "hostname"]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
        if done.stdout == f"{host.name}\n":
            return []
        return [Problem(host=host.name, found=f"ssh: {done.stderr.strip()}", next="measure again when it lets one in")]

    with ThreadPoolExecutor(AT_ONCE) as pool:
        refused = [problem for problems in pool.map(log_in, ground.hosts) for problem in problems]
    if refused:
        raise Refused(refused)
