"""Who listens to a run: the console, the log file; and what is written when it has ended: reports, incident record, summary."""

from pathlib import Path
from typing import TYPE_CHECKING

from cutover.conduct.people.announcing import Announcer
from cutover.conduct.people.noticing import Notices, earlier_runs
from cutover.entry.app import Ask
from cutover.entry.written import Written, write_all
from cutover.tell.live.console import for_people
from cutover.tell.live.logfile import Log
from cutover.tell.live.summary import hosts_as_json, summary
from cutover.tell.presentation import presentation
from cutover.world.journal import Journal, read
from cutover.world.rundir import RunDir, RunDirs

if TYPE_CHECKING:
    from rich.console import RenderableType


class Listeners:
    """The people's side of one run."""

    def __init__(self, ask: Ask, run: RunDir, environment: str, announcer: Announcer | None = None) -> None:
        self._ask, self._run, self._environment, self._announcer = ask, run, environment, announcer
        history = read(run.journal_file) if run.journal_file.exists() else []
        self.console = for_people(json=ask.json, verbose=ask.verbose, history=history)
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
        self._ask.hosts = hosts_as_json(read(self._run.journal_file), presentation(self._ask.root).outage)
        on = f"{', '.join(plan.hosts)}: on V2, release {plan.release.id}, healthy"
        self._ask.say(f"nothing to do: run {plan.run} was confirmed, and its hosts are as it left them ({on})")

    def finish(self) -> None:
        """Close the live table, write what stays, and tell how it ended."""
        self.console.close()
        if not self._run.plan_file.exists():  # it ended before there was a plan: its problems say all there is to say
            return
        shown = presentation(self._ask.root).outage
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
