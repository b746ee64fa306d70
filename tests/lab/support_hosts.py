"""Real hosts with V1 in service, put back to that state quickly, and looked at from behind: not through what is tested."""

import json
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lab

V1, V2 = "abaco-pipeline-v1.service", "abaco-pipeline-v2.service"
CONFIG = "/etc/abaco/pipeline.yml"
DATA, STATE = "/var/lib/abaco", "/var/lib/cutover/abaco"

# What a host with V1 in service consists of, kept on it when it was just made. The stream of tapes rests meanwhile.
KEEP = f"""
set -eu
n=0; until [ "$(ls {DATA}/done | wc -l)" -ge 3 ]; do n=$((n+1)); [ $n -lt 200 ]; sleep 0.1; done
systemctl stop lab-tapes.service
until [ -z "$(ls {DATA}/inbox {DATA}/processing | grep csv)" ]; do sleep 0.05; done
systemctl stop {V1}
tar -C / --acls -cf /srv/v1-in-service.tar etc/abaco etc/systemd/system opt/abaco var/lib/abaco
systemctl start {V1}
"""
# Globs match what is loaded, and nothing else: so each of these holds on any host, whatever was done to it.
RESET = f"""
set -eu
systemctl stop 'cutover-*' 'abaco-*' 'lab-tapes*'
rm -rf /etc/abaco /etc/systemd/system /opt/abaco/current /opt/abaco/releases/1.0.0 {DATA} /var/lib/cutover
tar -C / -xf /srv/v1-in-service.tar
systemctl daemon-reload
systemctl reset-failed
systemctl start {V1} lab-tapes.service
"""
# Everything of a host that a cutover could change, but for V1's own work and the host's log of who came in.
FINGERPRINT = """
import hashlib, json, os, pathlib, subprocess, sys
def entry(path):
    info = path.lstat()
    if path.is_symlink():
        return ["link", os.readlink(path)]
    if path.is_dir():
        return ["directory", oct(info.st_mode), info.st_uid, info.st_gid]
    return ["file", oct(info.st_mode), info.st_uid, info.st_gid, hashlib.sha256(path.read_bytes()).hexdigest()]
seen = {}
for top in ("/etc/abaco", "/etc/systemd/system", "/etc/cutover"):
    for path in sorted([pathlib.Path(top), *pathlib.Path(top).rglob("*")]):
        if path.exists() or path.is_symlink():
            seen[str(path)] = entry(path)
for path in ("/opt/abaco", "/opt/abaco/releases", "/opt/abaco/current", "/opt/abaco/releases/1.0.0/pipeline_v1.py"):
    if os.path.lexists(path):
        seen[path] = entry(pathlib.Path(path))
seen["/opt/abaco/*"] = sorted(os.listdir("/opt/abaco")) if os.path.isdir("/opt/abaco") else None
for unit in sys.argv[1:]:
    asked = ["systemctl", "show", "-p", "LoadState,ActiveState,SubState,UnitFileState,NeedDaemonReload", unit]
    seen[unit] = sorted(subprocess.run(asked, capture_output=True, text=True, check=True).stdout.split())
print(json.dumps(seen))
"""


@dataclass(frozen=True)
class Hosts:
    """The hosts of a lab of these tests' own."""

    lab: lab.Lab
    inventory: Path
    names: tuple[str, ...]

    def inside(self, name: str, script: str, *, check: bool = True, timeout: float = 60) -> str:
        """Run a shell script as root on a host, from behind: without SSH, without what is tested."""
        done = lab.exec_in(name, ["sh", "-c", script], lab=self.lab, timeout=timeout)
        assert done.exit_code == 0 or not check, f"{name}: {script}\n{done.stdout}{done.stderr}"
        return done.stdout

    def ssh(self, name: str, command: str) -> str:
        """What plain ssh to a host says."""
        options = [f"UserKnownHostsFile={self.inventory / 'known_hosts'}", "StrictHostKeyChecking=yes", "BatchMode=yes"]
        argv = ["ssh", "-F", "none", "-o", "ConnectTimeout=5", *[word for option in options for word in ("-o", option)]]
        argv += ["-i", str(self.lab.client_key), f"deploy@{self.lab.seat(int(name[3:])).address}", command]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        return done.stdout

    def each(self, work: Callable[[str], Any], names: Sequence[str] = ()) -> dict[str, Any]:
        """Do something with hosts at the same time."""
        chosen = tuple(names) or self.names
        with ThreadPoolExecutor(len(chosen)) as pool:
            return dict(zip(chosen, pool.map(work, chosen), strict=True))

    def keep(self) -> None:
        """Remember on each host how it is now."""
        self.each(lambda name: self.inside(name, KEEP))

    def reset(self, *names: str) -> None:
        """Put V1 into service as it was at first, and nothing else."""
        self.each(lambda name: self.inside(name, RESET), names)

    def fingerprint(self, *names: str) -> dict[str, Any]:
        """What hosts are like: files, links, units, their states and enablement."""

        def take(name: str) -> Any:
            done = lab.exec_in(
                name,
                ["python3", "-I", "-c", FINGERPRINT, V1, V2, "cutover-revert-var-lib-cutover-abaco.timer"],
                lab=self.lab,
            )
            assert done.exit_code == 0, done.stderr
            return json.loads(done.stdout)

        return self.each(take, names)

    @contextmanager
    def unchanged(self, *names: str) -> Iterator[None]:
        """What happens inside must leave these hosts as they were, V1's process included."""
        before, process = self.fingerprint(*names), self.each(self.v1_process, names)
        yield
        self.same_as(before)
        assert self.each(self.v1_process, names) == process

    def same_as(self, before: dict[str, Any]) -> None:
        """Hosts must be as they were; what is not is named."""
        for name, now in self.fingerprint(*before).items():
            was = before[name]
            changed = {
                what: (was.get(what), now.get(what))
                for what in was.keys() | now.keys()
                if was.get(what) != now.get(what)
            }
            assert not changed, f"{name} is not as it was: {changed}"

    def v1_process(self, name: str) -> str:
        """Which start of V1 is in service: another one after each start."""
        return self.inside(name, f"systemctl show -p MainPID,InvocationID --value {V1}")

    def stream(self, name: str, *, every: float = 0.1, rows: int = 50) -> None:
        """Begin to deliver tapes."""
        self.inside(name, "systemctl stop lab-tapes.service")  # two deliverers would number alike
        deliver = f"/usr/bin/python3 /opt/abaco/lab/deliver_tapes.py --root {DATA} --every {every} --rows {rows}"
        self.inside(name, f"systemd-run --quiet --unit=lab-tapes-fast --uid=abaco --gid=abaco {deliver}")

    def quiet(self, name: str) -> None:
        """Stop delivering, and wait until everything that was delivered has been taken out of the inbox."""
        self.inside(name, "systemctl stop 'lab-tapes*'")
        empty = f'[ -z "$(ls {DATA}/inbox {DATA}/processing | grep csv)" ]'
        self.inside(name, f"n=0; until {empty}; do n=$((n+1)); [ $n -lt 600 ] || exit 1; sleep 0.05; done; sleep 0.3")


def until(true: Callable[[], bool], *, seconds: float) -> bool:
    """Wait until something is so; whether it came to be."""
    deadline = time.monotonic() + seconds
    while not (now := true()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return now
