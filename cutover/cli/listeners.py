"""Who listens to a run: the console, the log file; and what is written when it has ended: reports, incident record, summary."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cutover.cli.app import Ask
from cutover.console.incident import write_incident
from cutover.console.live import Console
from cutover.console.logfile import Log
from cutover.console.summary import hosts_as_json, summary
from cutover.journal.journal import Journal, read, utc_stamp
from cutover.journal.rundir import RunDir, RunDirs
from cutover.notify.listener import Announcer, Notices, earlier_runs
from cutover.report.page import write_report
from cutover.report.validation import COMPARISON, completed, judging, write_reports, write_validation_reports
from cutover.run.verify import Judged
from cutover.timeline.presentation import presentation

if TYPE_CHECKING:
    from rich.console import RenderableType


# What stays of a run: the report, the validation reports, the incident record of a rollback.


@dataclass(frozen=True)
class Written:
    """The files that were written, by what they are; None for what does not apply to the run."""

    paths: Mapping[str, Path | None]

    @property
    def files(self) -> dict[str, str]:
        """The same for --json."""
        return {name.replace(" ", "_"): str(path) for name, path in self.paths.items() if path is not None}


def write_all(root: Path, run: RunDir) -> Written:
    """Write everything anew from plan, journal and evidence; safe to repeat."""
    incident = write_incident(run, root)
    validation = write_validation_reports(run, presentation(root, run.service()).validation)
    return Written({"report": write_report(run, root), "incident record": incident, "validation": validation})


def write_validation(root: Path, service: str, judged: Judged) -> Path:
    """The reports of a validation outside any run: fleet and hosts, in a directory named by the time."""
    shown = presentation(root, service).validation
    given = {host: judging(by_step.get(shown.step)) for host, by_step in judged.documents.items()}
    documents = completed(given, shown.checks, {host: judged.why(host) for host in given})
    return write_reports(root / ".cutover" / "validations" / utc_stamp(), documents, {})


def write_comparison(root: Path, judged: Judged) -> list[Path]:
    """The reports of a comparison of both versions: fleet and hosts, in a directory named by the time.

    Where the run whose release compared has its directory here, they are part of its evidence too, and its report is drawn anew.
    """
    given = {host: judging(next(iter(by_step.values()), None)) for host, by_step in judged.documents.items()}
    documents = completed(given, (), {host: judged.why(host) for host in given})
    stamp, run = utc_stamp(), RunDir(root / ".cutover" / "runs" / judged.run)
    about = {"run": judged.run} if judged.run else {}
    written = [write_reports(root / ".cutover" / "shadows" / stamp, documents, about, COMPARISON)]
    if judged.run and run.journal_file.is_file():
        written.append(write_reports(run.evidence / "shadows" / stamp, documents, about, COMPARISON))
        write_report(run, root)
    return written


class Listeners:
    """The people's side of one run."""

    def __init__(self, ask: Ask, run: RunDir, environment: str, announcer: Announcer | None = None) -> None:
        self._ask, self._run, self._environment, self._announcer = ask, run, environment, announcer
        history = read(run.journal_file) if run.journal_file.exists() else []
        self.console = Console(ask.stream, live=False if ask.json else None, verbose=ask.verbose, history=history)
        self._log = Log(ask.root / "logs", run.id, environment, self.console.say)

    def listen(self, journal: Journal) -> None:
        """Have console and log hear everything, and people be told."""
        journal.listen(self._log)
        journal.listen(self.console)
        if self._announcer is not None:  # last: what it writes is heard by the others after what it is about
            earlier = earlier_runs(RunDirs(self._run.path.parent), self._environment)
            journal.listen(Notices(self._announcer, journal, self._environment, earlier))

    def nothing_to_do(self) -> None:
        """Say that the run has been done; its journal and report are left as they are."""
        self.console.close()
        plan = self._run.plan()
        self._ask.hosts = hosts_as_json(
            read(self._run.journal_file), presentation(self._ask.root, self._run.service()).outage
        )
        on = f"{', '.join(plan.hosts)}: on V2, release {plan.release.id}, healthy"
        self._ask.say(f"nothing to do: run {plan.run} was confirmed, and its hosts are as it left them ({on})")

    def finish(self) -> None:
        """Close the live table, write what stays, and tell how it ended."""
        self.console.close()
        if not self._run.plan_file.exists():  # it ended before there was a plan: its problems say all there is to say
            return
        shown = presentation(self._ask.root, self._run.service()).outage
        records = read(self._run.journal_file)
        self._ask.hosts = hosts_as_json(records, shown)
        self._ask.fingerprint = self._run.plan().fingerprint
        written = write_all(self._ask.root, self._run)
        self._ask.files = {**written.files, "log": str(self._log.path)}
        self.console.show(summary(records, shown, self._places(written)))
        self._ask.told = True

    def _places(self, written: Written) -> dict[str, str]:
        """Where to read on, by name."""
        return {
            name: _short(path) for name, path in (*written.paths.items(), ("log", self._log.path)) if path is not None
        }


class Heard:
    """Who listens where the run is only known once it was looked for; there may be several, one after another."""

    def __init__(self, ask: Ask, announcer: Announcer | None = None) -> None:
        self._ask, self._announcer = ask, announcer
        self._all: list[Listeners] = []

    def say(self, words: str) -> None:
        """A line about what is being done."""
        (self._all[-1].console.say if self._all else self._ask.progress)(words)

    def show(self, what: "RenderableType") -> None:
        """Show people something before they are asked."""
        self._all[-1].console.show(what)

    def listen(self, run: RunDir, journal: Journal, environment: str) -> None:
        """Have a run heard from here on."""
        self._ask.run_id = run.id
        self._all.append(Listeners(self._ask, run, environment, self._announcer))
        self._all[-1].listen(journal)

    def finish(self) -> None:
        """Tell how each ended."""
        finished, self._all = self._all, []
        for listeners in finished:
            listeners.finish()


def _short(path: Path) -> str:
    """A path as a person types it from here."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
