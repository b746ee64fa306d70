"""The project's own commands, as an operator runs them: this code's, and those of the code before, in turn.

Every command is a cold process in a checkout of its own, on fresh hosts that the same code has made, so that a revision may be as
old as it likes: only its commands and their `--json` have to be those of today. It runs with this code's packages.
"""

import json
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.measure import BenchSample, Took, rotated, timed
from cutover.core.errors import Problem, Refused

NOW, BEFORE, INVOKE, ORIGINAL = "this code", "the code before", "`import invoke`", "the original, without stopping V1"
ORIGINAL_OUTAGE_S = 4.0
LIST, CUTOVER, ROLLBACK = "`./invokew --list`", "cutover", "rollback"
CPU, FILES, OUTAGE = ", controller CPU", ", files imported", ", longest outage of a host"
LISTS = 10  # rounds of it at least: it is short, and nothing else takes as few seconds
OWN = ("inventory", "logs")  # what a checkout made of links has by itself, besides its runs
LAB_DIR = Path(
    "/var/lib/cutover-lab-bench-commands"
)  # not the user's: a lab that is up elsewhere is refused, and never removed
KEPT = ("cache", "releases")  # of .cutover: what was built once is not built again

# Runs a command with the words of its command line, and writes down which files of the checkout it has imported.
COUNT = """
import atexit, json, os, runpy, sys
to, module, *words = sys.argv[1:]
def count():
    files = {str(getattr(one, "__file__", None)) for one in list(sys.modules.values())}
    with open(to, "w") as out:
        json.dump(sorted(file for file in files if file.startswith(os.getcwd() + os.sep)), out)
atexit.register(count)
sys.argv = ["invokew", *words]
runpy.run_module(module, run_name="__main__", alter_sys=True)
"""


@dataclass(frozen=True)
class Checkout:
    """A version of this project: who it is in the tables, and where."""

    who: str
    place: Path

    @property
    def module(self) -> str:
        """What its ./invokew starts; Refused where that is not found."""
        started = re.search(r"^exec \.venv/bin/python -m (\S+)", (self.place / "invokew").read_text(), re.MULTILINE)
        if started is None:
            found = "no line `exec .venv/bin/python -m MODULE`"
            raise Refused(Problem(path=f"invokew of {self.who}", found=found, next="choose another revision"))
        return started[1]

    def run(self, *words: str) -> Took:
        """Run one of its commands."""
        return self._python("-m", self.module, *words)

    def imported(self, *words: str) -> list[str]:
        """Run one of its commands; the files of its own that it imported."""
        files = self.place / ".cutover" / "imported.json"
        self._python("-c", COUNT, str(files), self.module, *words)
        imported: list[str] = json.loads(files.read_text())
        return imported

    def _python(self, *words: str) -> Took:
        # As users have it: a machine that keeps no compiled code compiles every file anew, at each start.
        env = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE")}
        return timed([sys.executable, *words], cwd=self.place, env=env | {"CUTOVER_LAB_DIR": str(LAB_DIR)})


def measure(
    root: Path, against: str, sizes: Sequence[int], rounds: int, progress: Callable[[str], None]
) -> Iterator[BenchSample]:
    """List, cutover and rollback, once a round on fleets of each size; `against` is a git revision, or empty for this code alone."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name, checkouts(root, Path(name), against) as codes:
        for number in range(1, max(rounds, LISTS) + 1):
            yield BenchSample(
                LIST, 0, INVOKE, number, timed([sys.executable, "-c", "import invoke"], cwd=Path(name)).wall
            )
            for code in rotated(codes, number):
                yield BenchSample(LIST, 0, code.who, number, code.run("--list").wall)
        for code in codes:
            with _in_service(code, 1):  # has the base of the hosts and the release built
                files = code.imported("cutover", "--hosts", "lab", "--yes")
            progress(f"{code.who}: cutover imports {len(files)} files")
            yield BenchSample(f"{CUTOVER}{FILES}", 1, code.who, 1, len(files), "files")
        for number in range(1, rounds + 1):
            for size in sizes:
                for code in rotated(codes, number - 1):
                    yield from _cutover_and_back(code, size, number, progress)


def _cutover_and_back(code: Checkout, size: int, number: int, progress: Callable[[str], None]) -> Iterator[BenchSample]:
    with _in_service(code, size):
        runs = {
            CUTOVER: code.run("cutover", "--hosts", "lab", "--yes", "--json"),
            ROLLBACK: code.run("rollback", "--hosts", "lab", "--reason", "bench", "--yes", "--json"),
        }
    for what, took in runs.items():
        progress(f"{what} of {size}, round {number}: {code.who} {took.wall:.1f} s")
        outages = [host["outages"][-1]["seconds"] for host in json.loads(took.stdout)["hosts"].values()]
        yield BenchSample(what, size, code.who, number, took.wall)
        yield BenchSample(f"{what}{CPU}", size, code.who, number, took.cpu)
        if what == CUTOVER:
            yield BenchSample(f"{what}{OUTAGE}", size, ORIGINAL, number, ORIGINAL_OUTAGE_S)
        yield BenchSample(f"{what}{OUTAGE}", size, code.who, number, max(outages))


@contextmanager
def _in_service(code: Checkout, size: int) -> Iterator[None]:
    """Fresh hosts with the old release in service, and no bake time, which would hide differences; removed afterwards."""
    code.run("lab.down")  # of a bench that was killed
    try:
        code.run("lab.up", "--count", str(size))
        variables = code.place / "inventory" / "lab" / "group_vars" / "lab" / "main.yml"
        variables.write_text(re.sub(r"(?m)^cutover_bake_s: .*", "cutover_bake_s: 0", variables.read_text()))
        yield
    finally:
        code.run("lab.down")


@contextmanager
def checkouts(root: Path, place: Path, against: str) -> Iterator[list[Checkout]]:
    """Give this code as a checkout made of links, uncommitted changes included; before it the revision, as a git worktree."""
    now = place / "now"
    now.mkdir()
    for entry in root.iterdir():
        if entry.name not in OWN and not entry.name.startswith("."):
            (now / entry.name).symlink_to(entry)
    _share_builds(root, now)
    codes = [Checkout(NOW, now)]
    if not against:
        yield codes
        return
    before = place / "before"
    timed(["git", "worktree", "add", "--quiet", "--detach", str(before), against], cwd=root)
    try:
        _share_builds(root, before)
        yield [Checkout(BEFORE, before), *codes]
    finally:
        timed(["git", "worktree", "remove", "--force", str(before)], cwd=root)


def _share_builds(root: Path, place: Path) -> None:
    (place / ".cutover").mkdir()
    for name in KEPT:
        (root / ".cutover" / name).mkdir(parents=True, exist_ok=True)
        (place / ".cutover" / name).symlink_to(root / ".cutover" / name)
