"""A checkout of its own to run commands from, as a user does: its runs, logs and reports are nobody else's.

What takes long to make is shared with this checkout: the wheels and the built releases.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cutover.cli.app import answer
from cutover.console.ask import Ask
from tests.checkout import ROOT

PARTS = (
    "tasks.py",
    "cutover",
    "roles",
    "templates",
    "kpi",
    "requirements",
    "legacy",
    "lab",
    "pyproject.toml",
)
SHARED = ("cache", "releases")
PATIENCE_S = 180.0
KEYS = set(
    json.loads(answer(Ask(Path(), "")))
)  # what every document of --json has; docs/commands.md says what is in each


@dataclass(frozen=True)
class Answer:
    """How a command ended: its exit code, its JSON document, and what it told people."""

    code: int
    document: dict[str, Any]
    told: str
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
        return f"exit {self.code} after {self.seconds:.1f} s\n{json.dumps(self.document, indent=1)[:4000]}\n{self.told[-4000:]}"


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
        deadline = time.monotonic() + PATIENCE_S
        while not reached():
            assert self._process.poll() is None, f"it ended before that: {self.answer()}"
            assert time.monotonic() < deadline, "it never came to that"
            time.sleep(0.05)
        return self

    def answer(self, patience: float = PATIENCE_S) -> Answer:
        """Its end. Everything but the one document is told on the other channel."""
        code = self._process.wait(patience)
        told, stdout = self._said.read_text(), self._answered.read_text()
        document = json.loads(stdout) if stdout.strip() else {}
        answer = Answer(code, document, told, time.monotonic() - self._began)
        if document:
            assert set(document) == KEYS, answer
            assert document["exit_code"] == code, answer
            assert document["command"] == self._words[0], answer
        return answer


def journal(checkout: Checkout, run: str) -> list[dict[str, Any]]:
    """The records of a run's journal, as they are on disk."""
    file = checkout.run_directory(run) / "journal.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def reached(checkout: Checkout, kind: str, **data: str) -> Callable[[], bool]:
    """Whether the newest run's journal has a record of this kind with these data."""

    def look() -> bool:
        runs = sorted((checkout.root / ".cutover" / "runs").glob("*"))
        records = journal(checkout, runs[-1].name) if runs else []
        return any(
            record["kind"] == kind and data.items() <= {**record, **record["data"]}.items() for record in records
        )

    return look
