"""Who listens to a run: the console, the log file; and what is written when it has ended: reports, incident record, summary."""

from pathlib import Path

from cutover.entry.app import Ask
from cutover.entry.written import Written, write_all
from cutover.tell.console import for_people
from cutover.tell.logfile import Log
from cutover.tell.summary import hosts_as_json, summary
from cutover.world.journal import Journal, read
from cutover.world.rundir import RunDir


class Listeners:
    """The people's side of one run."""

    def __init__(self, ask: Ask, run: RunDir, environment: str) -> None:
        self._ask, self._run = ask, run
        history = read(run.journal_file) if run.journal_file.exists() else []
        self.console = for_people(json=ask.json, verbose=ask.verbose, history=history)
        self._log = Log(ask.root / "logs", run.id, environment, self.console.say)

    def watch(self, journal: Journal) -> None:
        """Have console and log hear everything."""
        journal.listen(self._log)
        journal.listen(self.console)

    def finish(self) -> None:
        """Close the live table, write what stays, and tell how it ended."""
        self.console.close()
        if not self._run.plan_file.exists():  # it ended before there was a plan: its problems say all there is to say
            return
        plans = self._run.plan().hosts
        records = read(self._run.journal_file)
        self._ask.hosts = hosts_as_json(records, plans)
        self.console.show(summary(records, plans, self._places(write_all(self._ask.root, self._run))))
        self._ask.told = True

    def _places(self, written: Written) -> dict[str, str]:
        """Where to read on, by name."""
        return {
            name: _short(path) for name, path in (*written.paths.items(), ("log", self._log.path)) if path is not None
        }


def _short(path: Path) -> str:
    """A path as a person types it from here."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
