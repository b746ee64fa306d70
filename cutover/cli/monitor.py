"""`monitor` and `signoff`: the watch after a cutover, and what people decide in it."""

import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cutover.cli.app import end
from cutover.console.ask import Ask
from cutover.core.errors import CutoverError, ExitCode, Unjudged
from cutover.run.options import Where

if TYPE_CHECKING:
    from cutover.inventory.targets import Targets
    from cutover.journal.journal import Journal
    from cutover.journal.record import Record
    from cutover.journal.rundir import RunDir
    from cutover.monitor.index import Index
    from cutover.monitor.settings import Settings
    from cutover.monitor.views.console import WatchConsole
    from cutover.monitor.watch import Tell
    from cutover.notify.listener import Announcer


def monitor(where: Where, *, once: bool) -> ExitCode:
    """Watch V2 until hour 24; with `once` look a single time."""
    return end(where.ask(), lambda ask: _monitor(where, ask, once=once))


def signoff(where: Where, role: str, name: str, decision: str, point: str, note: str) -> ExitCode:
    """Decide what the watch waits for, or sign one of its points."""

    def work(ask: Ask) -> ExitCode:
        from cutover.cli.results import write_all
        from cutover.monitor.signoff import Signing, sign_off

        directory, signed = sign_off(where.targets(), where.runs, where.run, Signing(role, name, decision, point, note))
        ask.run_id = directory.id
        about = signed.point or "what the watch waits for"
        ask.say(f"{signed.name} ({signed.role}) has decided on {about}: {signed.decision}; run {directory.id}")
        write_all(where.root, directory)
        return ExitCode.DONE

    return end(where.ask(), work)


def _monitor(where: Where, ask: Ask, *, once: bool) -> ExitCode:
    from cutover.cli.announce import announcer_for
    from cutover.cli.results import show_end
    from cutover.monitor.loop import MonitorRequest
    from cutover.monitor.loop import monitor as watch
    from cutover.run.options import RunOptions
    from cutover.run.session import Session, StopSignal

    targets = where.targets()
    announcer = announcer_for(targets, ask.progress)
    listening = Listening(ask, targets, announcer)
    stays = sys.stdin.isatty() and not once
    stop = StopSignal(listening.say)
    options = RunOptions(
        where.root, where.command, where.hosts, where.inventory, where.limit, where.forks, where.json, yes=True
    )
    back = Session(ask, options, targets, announcer, stop)
    asked = MonitorRequest(where.run, once, stays, listening.hear, listening.teller, back, stop)
    try:
        with stop.watching():
            return watch(targets, where.runs, asked)
    except Unjudged as nobody:
        listening.hosts = {one.host: {"verdict": "ERROR", "hour": None, "findings": []} for one in nobody.problems}
        raise
    finally:
        listening.finish()
        show_end(back)


@dataclass
class Listening:
    """The people's side of one watch: the view, the tables, the index; and what is written when it ends."""

    ask: Ask
    targets: "Targets"
    announcer: "Announcer"
    directory: "RunDir | None" = None
    console: "WatchConsole | None" = None
    index: "Index | None" = None
    hosts: dict[str, dict[str, Any]] = field(default_factory=dict)

    def say(self, words: str) -> None:
        """A line about what is being done."""
        (self.console.say if self.console else self.ask.progress)(words)

    def hear(self, directory: "RunDir", journal: "Journal") -> None:
        """Have everybody listen to the watch's journal."""
        from cutover.monitor.index import follow
        from cutover.monitor.views.console import WatchConsole
        from cutover.monitor.views.table import Tables
        from cutover.timeline.presentation import presentation

        self.directory = directory
        self.ask.run_id = directory.id
        shown = presentation(self.ask.root, self.targets.service).watch
        self.console = WatchConsole(
            self.ask.stream, shown, live=False if self.ask.json else None, history=journal.records
        )
        self.index = follow(directory.watch_file, directory.path / "watch.sqlite")
        for listener in (self.console, Tables(directory.path, self.console.story), self.index, self._last):
            journal.listen(listener)

    def teller(self, directory: "RunDir", journal: "Journal", settings: "Settings") -> "Tell":
        """Who tells people of what the watch comes to."""
        from cutover.monitor.listeners import About, Telling
        from cutover.monitor.state import WatchClock, Watched

        watched = Watched.of(journal.records)
        journal.listen(watched)
        release = directory.plan().release.id if directory.plan_file.exists() else ""
        about = About(self.targets.environment, directory.id, release, self.targets.names)
        clock = WatchClock(watched.began, settings.scale)
        return Telling(self.announcer, journal, watched, clock, about)

    def finish(self) -> None:
        """Close the view, write what stays, and say where it is."""
        if self.console is not None:
            self.console.close()
        if self.index is not None:
            self.index.close()
        self.ask.hosts = self.hosts
        if self.directory is not None:
            self._write(self.directory)

    def _write(self, directory: "RunDir") -> None:
        from cutover.cli.results import write_all
        from cutover.evidence.collect import make_bundle
        from cutover.evidence.signers import FILE as SIGNERS

        written = write_all(self.ask.root, directory)
        self.ask.files.update(written.files)
        for name, path in written.paths.items():
            if path is not None:
                self.ask.say(f"{name}: {path}")
        try:
            signers = self.targets.inventory.directory / SIGNERS
            made = make_bundle(directory, self.ask.root, signers=signers if signers.is_file() else None)
            self.ask.files["evidence"] = str(made.bundle)
            self.ask.say(f"evidence: {made.bundle} ({made.verdict}, signed by {made.signer or made.key})")
        except CutoverError as unsigned:
            for problem in unsigned.problems:
                self.ask.say(f"evidence is not bundled: {problem}")

    def _last(self, record: "Record") -> None:
        """What the newest look said of each host, for --json."""
        if record.kind == "judged":
            data = record.data
            self.hosts[record.host] = {
                "verdict": data["verdict"],
                "hour": data["t"] / 3600,
                "findings": [one for one in data["judgements"] if one["verdict"] != "PASS"],
            }
