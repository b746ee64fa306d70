"""The KPI half of the bench: tapes, contenders, a large file, the service, the section of the page."""

import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.kpis import aims, large, measure, service
from bench.kpis.jobs import jobs
from bench.kpis.section import HEADING, section
from bench.page import replaced, this_machine
from cutover.core.errors import Problem, UsageError

PEERS = ("numpy", "pandas", "polars", "duckdb", "pyarrow")


@dataclass(frozen=True)
class Sizes:
    """How much work it is."""

    rounds: int = 5
    file_rows: int = 5_000_000
    memory_rows: int = 10_000_000
    large_gb: float = 2.0


def run(root: Path, sizes: Sizes, *, contenders: Path | None = None, page: Path | None = None) -> Path:
    """Measure everything; write the section into the page, print it, and give the page's path."""
    venv = contenders or root / ".venv-bench"
    require(venv, sizes)
    seen, versions = this_machine(), _versions(venv)
    with tempfile.TemporaryDirectory(prefix="bench-kpis-") as name:
        space = measure.Workspace(root, venv / "bin" / "python", Path(name))
        measure.prepare(space, sizes.file_rows, sizes.memory_rows, progress)
        measured = measure.measure(space, jobs(sizes.file_rows, sizes.memory_rows), sizes.rounds, progress)
        served = service.measure(space, sizes.rounds, progress)
        grown = large.measure(space, sizes.large_gb, progress)
    text = section(seen, versions, sizes.rounds, measured, aims.against(measured, grown, served), grown, served)
    path = page or root / "docs" / "bench.md"
    path.write_text(replaced(path.read_text() if path.exists() else "", HEADING, text))
    sys.stdout.write(text)
    return path


def require(venv: Path, sizes: Sizes) -> None:
    """UsageError with everything that prevents a measurement, before anything is made."""
    problems = []
    if not (venv / "bin" / "python").exists() or not all(_has(venv, name) for name in PEERS):
        step = "start the bench with ./invokew bench --only kpi, which installs it"
        problems.append(Problem(path=str(venv), found=f"{', '.join(PEERS)} are not all installed", next=step))
    problems += [
        Problem(path=name, found=str(size), next="give more than 0")
        for name, size in asdict(sizes).items()
        if size <= 0
    ]
    if problems:
        raise UsageError(problems)


def progress(line: str) -> None:
    """Print what is being measured."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def _has(venv: Path, name: str) -> bool:
    return any(venv.glob(f"lib/python3*/site-packages/{name}"))


def _versions(venv: Path) -> dict[str, str]:
    ask = f"import sys\nfrom importlib.metadata import version\nprint(sys.version.split()[0], *map(version, {PEERS!r}))"
    argv = [str(venv / "bin" / "python"), "-c", ask]
    versions = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=30).stdout.split()
    return dict(zip(("Python", *PEERS), versions, strict=True))
