"""Run directories on the controller: .cutover/runs/<id>/ with plan, journal, evidence and report."""

import os
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cutover.decide.plan import Plan, load
from cutover.words.errors import Problem, UsageError
from cutover.world.journal import Journal, read


@dataclass(frozen=True)
class RunDir:
    """The files of one run."""

    path: Path

    @property
    def id(self) -> str:
        """The run's id."""
        return self.path.name

    @property
    def plan_file(self) -> Path:
        """The frozen plan."""
        return self.path / "plan.json"

    @property
    def journal_file(self) -> Path:
        """The chained journal."""
        return self.path / "journal.jsonl"

    @property
    def watch_file(self) -> Path:
        """The journal of the watch that follows the run; chained like the run's own, and apart, so that the run can go back meanwhile."""
        return self.path / "watch.jsonl"

    @property
    def evidence(self) -> Path:
        """What was collected besides the journal: JUnit files, reports of the hosts, logs."""
        return self.path / "evidence"

    @property
    def report(self) -> Path:
        """The page for people."""
        return self.path / "report.html"

    def plan(self) -> Plan:
        """The plan, its fingerprint checked."""
        return load(self.plan_file)

    def journal(self) -> Journal:
        """The journal, open for writing, its chain checked."""
        return Journal(self.journal_file)

    def environment(self) -> str:
        """The environment that the run is about, from its journal."""
        started = next((record for record in read(self.journal_file) if record.kind == "run.created"), None)
        return "" if started is None else str(started.data["environment"])


@dataclass(frozen=True)
class RunDirs:
    """All runs of this checkout."""

    root: Path

    def create(self) -> RunDir:
        """A directory for a new run. Ids sort by time: <UTC stamp>-<random>."""
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        run = RunDir(self.root / f"{stamp}-{secrets.token_hex(3)}")
        run.evidence.mkdir(parents=True)
        return run

    def named(self, run: str) -> RunDir:
        """The directory of a run id."""
        found = RunDir(self.root / run)
        if not found.path.is_dir() or os.sep in run:
            known = ", ".join(path.name for path in self._all()[:5]) or "none"
            raise UsageError(
                Problem(
                    path=str(self.root),
                    found=f"no run {run} here (newest: {known})",
                    next="name one of these, or leave --run away",
                )
            )
        return found

    def last(self, environment: str) -> RunDir | None:
        """The newest run of an environment; None where there is none."""
        runs = (RunDir(path) for path in self._all())
        return next((run for run in runs if run.journal_file.exists() and run.environment() == environment), None)

    def unfinished(self, environment: str, hosts: Iterable[str]) -> RunDir | None:
        """The newest run of an environment that was begun on some of these hosts, if its journal names no end."""
        names = set(hosts)
        for run in (RunDir(path) for path in self._all()):
            if not (run.journal_file.exists() and run.plan_file.exists() and run.environment() == environment):
                continue
            kinds = [record.kind for record in read(run.journal_file)]
            if "approved" in kinds and names & set(run.plan().hosts):
                began = max(index for index, kind in enumerate(kinds) if kind in ("approved", "run.started"))
                return None if "run.finished" in kinds[began:] else run
        return None

    def _all(self) -> list[Path]:
        return (
            sorted((path for path in self.root.glob("*") if path.is_dir()), reverse=True) if self.root.exists() else []
        )
