"""`check`, `test` (and its `--faults`), `runbook`, `prometheus`: for those who work on this project."""

import inspect
from collections.abc import Iterable
from pathlib import Path

from invoke.context import Context

from cutover.cli.commands import HELP, Command, Number
from cutover.core.errors import ExitCode

# The tables of docs/commands.md: made from the commands themselves, so that none is missing and none is told that is not there.

BEGIN, END = "<!-- made by `./invokew runbook` -->", "<!-- end of what is made -->"


def page(text: str, commands: Iterable[Command]) -> str:
    """The page with its tables anew; what stands around them is written by hand."""
    every = list(commands)
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    return f"{before}{BEGIN}\n\n{_commands(every)}\n\n{_options(every)}\n\n{END}{after}"


def _commands(commands: Iterable[Command]) -> str:
    rows = [
        f"| `{command.full}` | {_cell(inspect.getdoc(command.body) or '')} | {_dry(command)} | {_spelled(command)} |"
        for command in commands
    ]
    return "\n".join(["| command | what it does | with `--dry` | options |", "|---|---|---|---|", *rows])


def _dry(command: Command) -> str:
    if "check" in command.options:
        return "as `--check`"
    return "runs: it only looks" if command.looks else "refused (2)"


def _spelled(command: Command) -> str:
    return ", ".join(f"`{_flag(name)}`" for name in command.options) or "none"


def _options(commands: Iterable[Command]) -> str:
    found: dict[str, tuple[str, set[str]]] = {}
    for command in commands:
        for name, option in command.options.items():
            kind = "" if option.annotation is bool else " N" if option.annotation in (int, Number) else " WORDS"
            default = option.default if option.default not in (False, None, "", inspect.Parameter.empty) else ""
            known = found.setdefault(f"{_flag(name)}{kind}", (HELP[name.replace("_", "-")], set()))
            known[1].update([f"`{default}`"] if default else [])
    rows = [f"| `{name}` | {_cell(words)} | {', '.join(sorted(default))} |" for name, (words, default) in found.items()]
    return "\n".join(["| option | what it means | where it is left away |", "|---|---|---|", *rows])


def _flag(name: str) -> str:
    return f"-{name}" if len(name) == 1 else f"--{name.replace('_', '-')}"


def _cell(words: str) -> str:
    return " ".join(words.split()).replace("|", "\\|").replace("<", "&lt;")


GENERATED = "tests/report/test_runbook.py tests/docs/test_docs.py tests/report/prometheus/test_prometheus.py"
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
    """Write the runbook of each service anew, and the tables of docs/commands.md."""
    from cutover.plan.service import services
    from cutover.report.runbook import generate

    for service in services(root):
        (root / "roles" / service / "runbook.md").write_text(generate(service, root))
    manual = root / "docs" / "commands.md"
    manual.write_text(page(manual.read_text(), commands))
    return ExitCode.DONE


def prometheus(root: Path) -> ExitCode:
    """Write the alerts and the dashboard of each service anew."""
    from cutover.plan.service import services
    from cutover.report.prometheus import write

    for service in services(root):
        write(service, root)
    return ExitCode.DONE
