"""Who listens to a run: the console, the log file; and what is written when it has ended: reports, incident record, summary."""

from cutover.entry.app import Ask
from cutover.world.journal import Journal
from cutover.world.rundir import RunDir


class Listeners:
    """The people's side of one run."""

    def __init__(self, ask: Ask, run: RunDir) -> None:
        from cutover.tell.console import Console
        from cutover.tell.logfile import Log

        self._ask, self._run = ask, run
        self._log = Log(ask.root / "logs", run.id.split("-")[0])
        self._console = Console(json=ask.json, verbose=ask.verbose)

    def watch(self, journal: Journal) -> None:
        """Have console and log hear everything."""
        journal.listen(self._log)
        journal.listen(self._console)

    def start(self) -> None:
        """Begin the live table: from here on nobody is asked anything."""
        self._console.start()

    def finish(self, ask: Ask) -> None:
        """Close the live table, write what stays, and tell how it ended."""
        from cutover.entry.written import write_all
        from cutover.tell.summary import summary

        self._console.close()
        self._log.close()
        written = write_all(ask.root, self._run)
        ask.hosts = written.hosts
        summary(self._run, log=self._log.path, say=ask.say)
