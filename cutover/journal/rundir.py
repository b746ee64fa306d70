"""Run directories on the controller: .cutover/runs/<id>/ with plan, journal, evidence and report."""

import json
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cutover.agent.state_dir import RUN_ID
from cutover.core.errors import Problem, UsageError
from cutover.journal.journal import Journal, read
from cutover.plan.plan import Plan, load


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
        """What was collected besides the journal: reports of the hosts, logs."""
        return self.path / "evidence"

    @property
    def report(self) -> Path:
        """The page for people."""
        return self.path / "report.html"

    def make(self) -> None:
        """Make it, where it is not there yet; what is in it is nobody's but its owner's."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.evidence.mkdir(exist_ok=True)

    def plan(self) -> Plan:
        """The plan, its fingerprint checked."""
        return load(self.plan_file)

    def journal(self) -> Journal:
        """The journal, open for writing, its chain checked."""
        return Journal(self.journal_file)

    def created(self) -> "Created":
        """What the run is about, by the first record of its journal, else by its plan; empty where neither can be read.

        Nothing is verified here: it only says where to look, also for a rollback whose journal was altered meanwhile.
        """
        first = _json(self.journal_file, lines=True).get("data")
        about = first if isinstance(first, dict) and "environment" in first else _json(self.plan_file)
        service = about.get("service", "")
        name = service.get("name", "") if isinstance(service, dict) else service
        environment, pattern, inventory = (str(about.get(key, "")) for key in ("environment", "pattern", "inventory"))
        return Created(environment, pattern, inventory, str(name))

    @property
    def was_begun(self) -> bool:
        """Whether it was begun on hosts, rather than only planned."""
        kinds = {"run.started", "rollback.started"}
        return self.journal_file.exists() and any(record.kind in kinds for record in read(self.journal_file))


@dataclass(frozen=True)
class Created:
    """What a run is about: the environment, the pattern that chose its hosts, where the inventory lies; "" is what is not known."""

    environment: str
    pattern: str
    inventory: str
    service: str

    def directory(self, root: Path) -> Path:
        """Where the inventory lies, which may be gone by now."""
        return root / (self.inventory or f"inventory/{self.environment}")


def _json(path: Path, *, lines: bool = False) -> dict[str, Any]:
    """A document, or the first of a file with one a line; empty where there is none."""
    try:
        with path.open() as file:
            found = json.loads(file.readline() if lines else file.read())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


@dataclass(frozen=True)
class RunDirs:
    """All runs of this checkout."""

    root: Path

    def path_of(self, run: str) -> RunDir:
        """Where a run is kept; UsageError for an id that would lead elsewhere: hosts name runs as well."""
        if not re.fullmatch(RUN_ID, run):
            found = f"{run[:80]!r} is not the id of a run, expected letters, digits and dashes"
            raise UsageError(Problem(found, "see `./invokew status`, and which host names such a run"))
        return RunDir(self.root / run)

    def create(self) -> RunDir:
        """A directory for a new run. Ids sort by time: <UTC stamp>-<random>."""
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        run = RunDir(self.root / f"{stamp}-{secrets.token_hex(3)}")
        run.make()
        return run

    def named(self, run: str) -> RunDir:
        """The directory of a run id."""
        found = RunDir(self.root / run)
        if not re.fullmatch(RUN_ID, run) or not found.path.is_dir():
            known = ", ".join(one.id for one in self.newest_first()[:5]) or "none"
            next_ = "name one of these, or run without --run"
            raise UsageError(Problem(f"no run {run} here (newest: {known})", next_, path=str(self.root)))
        return found

    def last(self, environment: str, service: str = "") -> RunDir | None:
        """The newest run of an environment (and of a service) that was begun on hosts, else the newest that was planned, else None."""
        with_journal = [(run, run.created()) for run in self.newest_first() if run.journal_file.exists()]
        runs = [run for run, of in with_journal if of.environment == environment and service in ("", of.service)]
        return next((run for run in runs if run.was_begun), runs[0] if runs else None)

    def newest_first(self) -> list[RunDir]:
        """All runs."""
        return [RunDir(path) for path in sorted(self.root.glob("*"), reverse=True) if path.is_dir()]

    def unfinished(self, environment: str, service: str, hosts: Iterable[str]) -> RunDir | None:
        """The newest run of a service in an environment that was begun on some of these hosts, if its journal names no end."""
        names = set(hosts)
        for run in self.newest_first():
            created = run.created()
            is_meant = (created.environment, created.service) == (environment, service)
            if not (is_meant and run.journal_file.exists() and run.plan_file.exists()):
                continue
            kinds = [record.kind for record in read(run.journal_file)]
            if "approved" in kinds and names & set(run.plan().hosts):
                began = max(index for index, kind in enumerate(kinds) if kind in ("approved", "run.started"))
                return None if "run.finished" in kinds[began:] else run
        return None


def runs_of(root: Path) -> RunDirs:
    """The runs of the checkout at `root`."""
    return RunDirs(root / ".cutover" / "runs")
