"""`check`, `test` (and its `--faults`), `runbook`, `prometheus`: for those who work on this project."""

from collections.abc import Iterable
from pathlib import Path

from invoke.context import Context

from cutover.entry.commands import Command
from cutover.words.errors import ExitCode

GENERATED = "tests/unit/tell/test_runbook.py tests/unit/test_docs.py tests/unit/prometheus/test_prometheus.py"
CHECKS = {
    "format": ".venv/bin/ruff format --check .",
    "lint": ".venv/bin/ruff check .",
    "types": ".venv/bin/mypy",
    "architecture and generated documents": f".venv/bin/python -m pytest -q tests/architecture {GENERATED}",
}


def check(c: Context, root: Path) -> ExitCode:
    """Run every check, also after one has failed, so that all that is wrong is told at once; with Invoke's --dry too: it only looks."""
    failed = []
    with c.cd(str(root)):
        for name, command in CHECKS.items():
            if not c.run(command, warn=True, pty=False, dry=False):
                failed.append(name)
    return ExitCode.BUG if failed else ExitCode.DONE


def test(c: Context, root: Path, only: str) -> ExitCode:
    """All tests; those that need real hosts make a lab of their own."""
    import shlex

    with c.cd(str(root)):
        result = c.run(f".venv/bin/python -m pytest {'-k ' + shlex.quote(only) if only else ''}", warn=True, pty=False)
    return ExitCode.DONE if result else ExitCode.BUG


def faults(c: Context, root: Path, seed: int) -> ExitCode:
    """The whole fault suite, and docs/faults.md from what it came to."""
    kept = root / ".cutover" / "faults"
    kept.mkdir(parents=True, exist_ok=True)
    (kept / "results.jsonl").unlink(missing_ok=True)
    env = {"CUTOVER_FAULTS_RESULTS": str(kept)} | ({"CUTOVER_FAULTS_SEED": str(seed)} if seed else {})
    with c.cd(str(root)):
        ran = c.run(".venv/bin/python -m pytest -m faults -s tests/faults tests/lab", env=env, warn=True, pty=False)
        written = c.run(
            ".venv/bin/python -m tests.faults.table .cutover/faults/results.jsonl docs/faults.md", warn=True, pty=False
        )
    return ExitCode.DONE if ran and written else ExitCode.BUG


def runbook(root: Path, commands: Iterable[Command]) -> ExitCode:
    """Write docs/runbook.md anew, and the tables of docs/commands.md."""
    from cutover.entry.manual import page
    from cutover.tell.runbook.page import generate

    (root / "docs" / "runbook.md").write_text(generate(root))
    manual = root / "docs" / "commands.md"
    manual.write_text(page(manual.read_text(), commands))
    return ExitCode.DONE


def prometheus(root: Path) -> ExitCode:
    """Write prometheus/ anew."""
    from cutover.tell.prometheus import write

    write(root)
    return ExitCode.DONE
