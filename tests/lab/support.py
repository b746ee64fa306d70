"""What lab tests share: checkouts to run commands from, real hosts to look at from behind, and a release that breaks on purpose.

A checkout is a copy of the project with runs, logs and reports of its own; wheels and built releases, which take long to make, are
shared. Hosts have V1 in service, can be put back to that quickly, and are looked at without what is tested.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lab
from cutover.cli.app import answer
from cutover.console.ask import Ask
from tests.checkout import ROOT
from tests.waiting import PATIENCE_S, journal_records, wait_until

PARTS = ("tasks.py", "cutover", "roles", "templates", "kpi", "requirements", "legacy", "lab", "pyproject.toml")
SHARED = ("cache", "releases")
# What every document of --json has; docs/commands.md says what is in each.
KEYS = set(json.loads(answer(Ask(Path(), ""))))
# What the validation of a host consists of.
CHECKS = {"kpi_calculations", "data_integrity", "performance", "error_handling", "audit_trail"}


@dataclass(frozen=True)
class Answer:
    """How a command ended: its exit code, its JSON document, and what it printed for people."""

    code: int
    document: dict[str, Any]
    output: str
    seconds: float

    @property
    def run(self) -> str:
        """The run that the command was about."""
        return str(self.document["run_id"])

    @property
    def errors(self) -> list[dict[str, str]]:
        """All problems of the document."""
        errors: list[dict[str, str]] = self.document["errors"]
        return errors

    def __str__(self) -> str:
        return f"exit {self.code} after {self.seconds:.1f} s\n{json.dumps(self.document, indent=1)[:4000]}\n{self.output[-4000:]}"


class Checkout:
    """A copy of the project in a directory, from which commands are run against an inventory."""

    def __init__(self, root: Path, inventory: Path) -> None:
        self.root, self.inventory = root, inventory
        self._started: list[Running] = []
        (root / ".cutover").mkdir(parents=True)
        for name in PARTS:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, root / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy2(source, root / name)
        for name in SHARED:
            kept = ROOT / ".cutover" / name
            kept.mkdir(parents=True, exist_ok=True)
            (root / ".cutover" / name).symlink_to(kept)

    def ask(self, command: str, *options: str, hosts: str = "lab") -> Answer:
        """Run a command to its end, without a terminal."""
        return self.start(command, *options, hosts=hosts).answer()

    def yes(self, command: str, *options: str, hosts: str = "lab") -> Answer:
        """Run a command that asks, answered with yes."""
        return self.ask(command, "--yes", *options, hosts=hosts)

    def bare(self, command: str, *options: str) -> Answer:
        """Run a command that names neither hosts nor inventory, as our messages print it."""
        return self._start([command, "--json", *options]).answer()

    def start(self, command: str, *options: str, hosts: str = "lab") -> "Running":
        """Start a command and go on."""
        return self._start([command, "--hosts", hosts, "--inventory", str(self.inventory), "--json", *options])

    def _start(self, words: list[str]) -> "Running":
        self._started.append(Running(words, self.root))
        return self._started[-1]

    def end(self) -> None:
        """End what a test has left running."""
        for running in self._started:
            running.kill()

    def edit(self, path: str, old: str, new: str) -> None:
        """Change a file of this checkout, in one place that must be there."""
        text = (self.root / path).read_text()
        assert old in text, f"{path} does not contain {old!r}"
        (self.root / path).write_text(text.replace(old, new))

    def set(self, **variables: object) -> None:
        """Set variables of the whole environment."""
        import yaml

        file = self.inventory / "group_vars" / "lab" / "main.yml"
        file.write_text(yaml.safe_dump({**yaml.safe_load(file.read_text()), **variables}))

    def run_directory(self, run: str) -> Path:
        """Where a run's files are."""
        return self.root / ".cutover" / "runs" / run


class Running:
    """A command under way."""

    def __init__(self, words: list[str], root: Path) -> None:
        self._began = time.monotonic()
        home = root / ".home"  # nobody's ~/.ssh/config has a say
        home.mkdir(exist_ok=True)
        self._words = words
        self._said, self._answered = root / f".said-{self._began}", root / f".answered-{self._began}"
        with self._said.open("w") as said, self._answered.open("w") as answered:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "cutover.cli", *words],
                cwd=root,
                env={**os.environ, "HOME": str(home)},
                stdin=subprocess.DEVNULL,
                stdout=answered,
                stderr=said,
                start_new_session=True,
            )

    def kill(self) -> None:
        """Kill it, if it is still there: no chance to tidy up."""
        self._process.kill()
        self._process.wait()

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def when(self, reached: Callable[[], bool]) -> "Running":
        """Wait until something has come to be while it runs."""

        def check() -> bool:
            if reached():
                return True
            assert self._process.poll() is None, f"it ended before that: {self.answer()}"
            return False

        wait_until(check, every=0.05)
        return self

    @property
    def most_mb(self) -> int | None:
        """The most memory that it has had so far, in MB; None once it has ended."""
        lines = Path(f"/proc/{self._process.pid}/status").read_text().splitlines()  # stays until it is waited for
        return next((int(line.split()[1]) // 1024 for line in lines if line.startswith("VmHWM")), None)

    def answer(self, patience: float = PATIENCE_S) -> Answer:
        """Its end. Everything but the one document goes to stderr."""
        code = self._process.wait(patience)
        output, stdout = self._said.read_text(), self._answered.read_text()
        document = json.loads(stdout) if stdout.strip() else {}
        answer = Answer(code, document, output, time.monotonic() - self._began)
        if document:
            assert set(document) == KEYS, answer
            assert document["exit_code"] == code, answer
            assert document["command"] == self._words[0], answer
        return answer


def journal(checkout: Checkout, run: str) -> list[dict[str, Any]]:
    """The records of a run's journal, as they are on disk."""
    return journal_records(checkout.run_directory(run) / "journal.jsonl")


def reached(checkout: Checkout, kind: str, **data: str) -> Callable[[], bool]:
    """Whether the newest run's journal has a record of this kind with these data."""

    def look() -> bool:
        runs = sorted((checkout.root / ".cutover" / "runs").glob("*"))
        records = journal(checkout, runs[-1].name) if runs else []
        return any(
            record["kind"] == kind and data.items() <= {**record, **record["data"]}.items() for record in records
        )

    return look


V1, V2 = "abaco-pipeline-v1.service", "abaco-pipeline-v2.service"
CONFIG = "/etc/abaco/pipeline.yml"
DATA, STATE = "/var/lib/abaco", "/var/lib/cutover/abaco"

# What a host with V1 in service consists of, kept on it when it was just made. The stream of tapes rests meanwhile.
KEEP = f"""
set -eu
until [ "$(ls {DATA}/done | wc -l)" -ge 3 ]; do sleep 0.1; done
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

    def inside(self, name: str, script: str, *, check: bool = True, timeout: float = 300) -> str:
        """Run a shell script as root on a host, from behind: without SSH, without what is tested."""
        done = lab.exec_in(name, ["sh", "-c", script], lab=self.lab, timeout=timeout)
        assert done.exit_code == 0 or not check, f"{name}: {script}\n{done.stdout}{done.stderr}"
        return done.stdout

    def ssh(self, name: str, command: str) -> str:
        """What plain ssh to a host says."""
        return self.ended(name, command).stdout

    def ended(self, name: str, command: str) -> subprocess.CompletedProcess[str]:
        """How a command over plain ssh ended."""
        return subprocess.run([*self.ssh_argv(name), command], capture_output=True, text=True, check=False)

    def ssh_argv(self, name: str, *more: str) -> list[str]:
        """Plain ssh to a host, with these options as well."""
        options = [f"UserKnownHostsFile={self.inventory / 'known_hosts'}", "StrictHostKeyChecking=yes", "BatchMode=yes"]
        argv = ["ssh", "-F", "none", "-o", "ConnectTimeout=5", *[word for option in options for word in ("-o", option)]]
        return [*argv, "-i", str(self.lab.client_key), *more, f"deploy@{self.lab.slot(int(name[3:])).address}"]

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
            units = (V1, V2, "cutover-revert-var-lib-cutover-abaco.timer")
            done = lab.exec_in(name, ["python3", "-I", "-c", FINGERPRINT, *units], lab=self.lab)
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
        self.inside(name, f"until {empty}; do sleep 0.05; done; sleep 0.3")


BREAK = ".break"  # below the data directory: its content says how
FAIL_A_TEST = ".fail-a-test"  # below the data directory: one of the release's tests fails

BREAKING = '''"""Breaks on purpose, as a file below the data directory says."""

import sys
import threading
from pathlib import Path


def how(root: Path) -> str:
    """How to break; empty for not at all."""
    file = root / ".break"
    return file.read_text().strip() if file.is_file() else ""


def at_start(root: Path) -> None:
    """Die, or never become ready."""
    if how(root) == "dies at start":
        sys.exit("made to die at start")
    if how(root) == "never ready":
        threading.Event().wait()
'''
FAILING = '''"""Fails where the host says so."""

from pathlib import Path


def test_that_fails_where_the_host_says_so() -> None:
    assert not Path("/var/lib/abaco/.fail-a-test").exists()
'''


def build_broken(checkout: Checkout) -> str:
    """Build it from a checkout whose releases are its own; gives where its artifact is."""
    (checkout.root / ".cutover" / "releases").unlink()
    (checkout.root / "kpi" / "breaking.py").write_text(BREAKING)
    checkout.edit(
        "kpi/service.py", "        self_test()\n", "        self_test()\n        breaking.at_start(self._config.root)\n"
    )
    checkout.edit(
        "kpi/service.py",
        "from kpi import VERSION, clock, vitals\n",
        "from kpi import VERSION, breaking, clock, vitals\n",
    )
    checkout.edit(
        "kpi/service.py",
        "        reason = self._why_not_ready()\n",
        "        reason = self._why_not_ready() or (breaking.how(self._config.root) == 'unhealthy' and 'made to be unhealthy')\n",
    )
    (checkout.root / "roles" / "abaco" / "tests" / "test_host_says.py").write_text(FAILING)
    script = (
        "import sys, yaml; from pathlib import Path; from cutover.plan.service import PythonArtifact;"
        "from cutover.release.artifact import build; from cutover.release.build import spec_of;"
        "written = yaml.safe_load(Path('roles/abaco/service.yml').read_text())['artifact'] | {'into': '/r', 'current': '/c'};"
        "print(build(spec_of(Path('.').absolute(), PythonArtifact(**written), *sys.argv[1:])).path)"
    )
    built = subprocess.run(
        [sys.executable, "-c", script, "3.11", "x86_64"], cwd=checkout.root, capture_output=True, text=True, check=True
    )
    return built.stdout.strip()
