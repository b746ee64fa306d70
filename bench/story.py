"""The main story: look at the machine, the job four ways, our own commands, the page."""

import sys
from collections.abc import Sequence
from pathlib import Path

from bench import aims, machine, peers, whole
from bench.halves import replaced
from bench.page import HEADING
from bench.page import page as page_of
from cutover.core.errors import Problem, UsageError


def run(
    root: Path,
    hosts: Sequence[int] = (3, 10),
    rounds: int = 3,
    *,
    contenders: Path | None = None,
    page: Path | None = None,
) -> Path:
    """Measure everything on fleets of these sizes, `rounds` times; write the page, print it, and give its path."""
    venv = contenders or root / ".venv-bench"
    require(venv, hosts, rounds)
    seen, versions = machine.look(), machine.versions(venv)
    timings = peers.measure(root, venv, hosts, rounds, tell)
    ours = whole.measure(root, hosts, rounds, tell)
    text = page_of(seen, versions, rounds, peers.rows(timings), aims.against(ours), ours.commands)
    path = page or root / "docs" / "bench.md"
    path.write_text(replaced(path.read_text() if path.exists() else "", HEADING, text))
    sys.stdout.write(text)
    return path


def require(venv: Path, hosts: Sequence[int], rounds: int) -> None:
    """All that is wrong with what is asked for, before anything is made."""
    problems = [
        Problem(
            path=str(venv / "bin" / name),
            found="not installed",
            next="start the bench with ./invokew bench, which installs it",
        )
        for name in ("pyinfra", "ansible-playbook")
        if not (venv / "bin" / name).exists()
    ]
    if not hosts or list(hosts) != sorted({size for size in hosts if size > 0}):
        problems.append(
            Problem(
                path="hosts",
                found=f"sizes {list(hosts)}",
                next="give sizes of at least 1, smallest first, each once, such as 3,10",
            )
        )
    if rounds < 1:
        problems.append(Problem(path="rounds", found=str(rounds), next="give at least 1"))
    if problems:
        raise UsageError(problems)


def tell(line: str) -> None:
    """A line about what is being measured, for who waits."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()
