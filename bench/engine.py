"""The engine's half of docs/bench.md: what is measured, the aims as ratios within one run, and the text around the figures."""

import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import lab
from bench import revisions, toy_job
from bench.contenders import ANSIBLE, OURS, PYINFRA, SHELL
from bench.measure import BenchSample, ratio, rows
from bench.page import Machine, table, this_machine
from bench.revisions import BEFORE, CPU, CUTOVER, FILES, INVOKE, LIST, NOW, ROLLBACK
from bench.toy_job import JOB
from cutover.core.errors import Problem, UsageError
from lab import ownership

HEADING = "# Speed"
SIZES = (3, 10)  # hosts
THEIRS, PACKAGES = ("pyinfra", "ansible-core"), ("fabric", "paramiko", "pytest", "pytest-testinfra")
NOT_SLOWER = 1.05  # what a pair of equal runs differs by on a busy machine


@dataclass(frozen=True)
class RatioAim:
    """At most so many times as much as somebody else in the same run."""

    what: str
    hosts: int
    who: str
    to: str
    most: float


AIMS = (
    RatioAim(JOB, 3, OURS, SHELL, 3.0),
    RatioAim(JOB, 10, OURS, SHELL, 2.5),
    RatioAim(JOB, 3, OURS, PYINFRA, 1.0),
    RatioAim(JOB, 10, OURS, PYINFRA, 1.0),
    RatioAim(LIST, 0, NOW, INVOKE, 2.0),
    RatioAim(LIST, 0, NOW, BEFORE, NOT_SLOWER),
    RatioAim(CUTOVER, 3, NOW, BEFORE, NOT_SLOWER),
    RatioAim(CUTOVER, 10, NOW, BEFORE, NOT_SLOWER),
    RatioAim(ROLLBACK, 10, NOW, BEFORE, NOT_SLOWER),
    RatioAim(f"{CUTOVER}{CPU}", 10, NOW, BEFORE, 0.75),
    RatioAim(f"{CUTOVER}{FILES}", 1, NOW, BEFORE, 0.5),
)

TEXT = f"""{HEADING}

Written by `./invokew bench`; not edited by hand. Measured {{at}} on {{what}}; load before it began {{load:.2f}}.
{{versions}}. Rounds: {{rounds}}.

The aims are ratios within one run, the median of the rounds' own ratios: a machine that is half as fast has the same ones. Seconds are
context; controller and test hosts share the cores above.

## Aims

`./invokew bench --against REVISION` measures the code of a git revision in turn with this code, each on fresh hosts.
{{against}} "Not slower" is a ratio of at most {NOT_SLOWER}, which two runs of the same code may differ by.

{{aims}}
## Figures

Ratios are relative to the first row of each measurement; *controller CPU* is of the command and its children on this machine.

{{figures}}
## How it is measured

- **{JOB}** on each host: probe V1, read Python's version, stat, mkdir, copy a backup, render a unit, stop V1, render a config, start V2
  (with daemon-reload), probe V2, wait until it answers over HTTP. V1 and V2 are small HTTP servers in Python. Each contender is a cold
  process, checks host keys, finds hosts that it has never worked on, and counts only after every host was seen to have V1 stopped, V2
  answering with the new config, and unit and backup as they should be. The order rotates from round to round.
  - *{SHELL}*: one bash script a host, all hosts at once. It verifies nothing and remembers nothing: the floor.
  - *{OURS}*: a lease on every host, one batch of steps under a transient unit, each step verified, every intent and outcome in a journal
    that is flushed to disk.
  - *{PYINFRA}*, *{ANSIBLE}* (pipelining, ControlPersist, forks = hosts, facts not gathered): their own modules where they have them.
- **{CUTOVER}**, **{ROLLBACK}**: as an operator runs them, cold, all phases and all checks, report, log and journal included, on fresh test
  hosts with V1 in service under a stream of tapes (one a second on each host); no bake time; base of the hosts and release cached.
- **Outage**: by the hosts' own journals, from the stop of one release until the other is ready.
- **Files imported**: the project's own files that are loaded when a cutover has ended.
"""


def measure(root: Path, rounds: int, against: str) -> str:
    """Measure everything `rounds` times, and return this half of the page. `against`: a git revision, or empty."""
    venv = root / ".venv-bench"
    require(root, venv, rounds, against)
    seen, versions = this_machine(), _versions(venv)
    samples = list(toy_job.measure(root, venv, SIZES, rounds, progress))
    samples += revisions.measure(root, against, SIZES, rounds, progress)
    return text(seen, versions, rounds, against, samples)


def require(root: Path, venv: Path, rounds: int, against: str) -> None:
    """UsageError with everything that prevents a measurement, before anything is made."""
    problems = [
        Problem(path=str(venv / "bin" / name), found="not installed", next="run ./invokew bench, which installs it")
        for name in ("pyinfra", "ansible-playbook")
        if not (venv / "bin" / name).exists()
    ]
    if rounds < 1:
        problems.append(Problem(path="--rounds", found=f"{rounds}, expected 1 or more", next="give at least 1"))
    known = ["git", "rev-parse", "--verify", "--quiet", f"{against}^{{commit}}"]
    if against and subprocess.run(known, cwd=root, capture_output=True, check=False, timeout=10).returncode != 0:
        found = f"{against!r} names no commit of this repository"
        problems.append(Problem(path="--against", found=found, next="give a revision such as main or HEAD~10"))
    problems += ownership.problems(
        lab.Lab(state=revisions.LAB_DIR)
    )  # the commands make the default lab, in a place of the bench
    if problems:
        raise UsageError(problems)


def text(
    machine: Machine, versions: Mapping[str, str], rounds: int, against: str, samples: Sequence[BenchSample]
) -> str:
    """Write the engine's half of the page."""
    return TEXT.format(
        at=machine.at,
        what=machine.what,
        load=machine.load,
        versions=", ".join(f"{name} {value}" for name, value in versions.items()),
        rounds=rounds,
        against=f"The code before is {against}." if against else "It was not asked for in this run.",
        aims=_aims(samples),
        figures=_figures(samples),
    )


def progress(line: str) -> None:
    """Print what is being measured."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def _aims(samples: Sequence[BenchSample]) -> str:
    lines = []
    for aim in AIMS:
        found = ratio(samples, aim.what, aim.hosts, aim.who, aim.to)
        met = "not measured" if found is None else "yes" if found <= aim.most else "**no**"
        measured = "" if found is None else f"{found:.2f}"
        lines.append((_job(aim.what, aim.hosts), f"{aim.who} : {aim.to}", measured, f"{aim.most:g}", met))
    return table(("what", "ratio", "measured", "at most", "met"), lines)


def _figures(samples: Sequence[BenchSample]) -> str:
    lines = []
    for row in rows(samples):
        values = [f"{value:.2f} s" if row.unit == "s" else f"{value:g}" for value in (row.median, row.least, row.most)]
        lines.append((_job(row.what, row.hosts), row.who, *values, "" if row.ratio is None else f"{row.ratio:.2f}"))
    return table(("what", "who", "median", "least", "most", "ratio"), lines)


def _job(what: str, hosts: int) -> str:
    name, comma, figure = what.partition(", ")
    count = f", {hosts} host{'s' if hosts > 1 else ''}" if hosts else ""
    return f"{name}{count}{comma}{figure}"


def _versions(venv: Path) -> dict[str, str]:
    """Who took part, by version."""

    def output(*argv: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(argv, capture_output=True, text=True, check=True, timeout=30)

    ask = f"from importlib.metadata import version\nfor name in {THEIRS!r}: print(version(name))"
    theirs = output(str(venv / "bin" / "python"), "-c", ask).stdout.split()
    ssh = output("ssh", "-V").stderr.split(",")[0].removeprefix("OpenSSH_").split()[0]
    ours = {name: version(name) for name in PACKAGES}
    return {"OpenSSH": ssh, "Python": sys.version.split()[0], **dict(zip(THEIRS, theirs, strict=True)), **ours}
