"""`monitor` and `signoff`: the watch after a cutover, and what people decide in it."""

import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from cutover.cli.app import with_ask
from cutover.console.ask import Ask
from cutover.core.errors import CutoverError, ExitCode, Unjudged
from cutover.run.options import RunOptions

if TYPE_CHECKING:
    from cutover.journal.record import Record
    from cutover.monitor.monitor import WatchedRun
    from cutover.monitor.views.live import WatchConsole


@with_ask
def signoff(ask: Ask, options: RunOptions, role: str, name: str, decision: str, point: str, note: str) -> ExitCode:
    """Decide what the watch waits for, or sign one of its points."""
    from cutover.cli.results import write_all
    from cutover.monitor.signoff import sign_off
    from cutover.monitor.state import Signoff
    from cutover.timeline.view import view_of

    signed = Signoff(role, name.strip(), decision, point, note)
    directory = sign_off(options.targets(), options.runs, options.run, signed)
    ask.run_id = directory.id
    about = signed.point or "what the watch waits for"
    ask.say(f"{signed.name} ({signed.role}) has decided on {about}: {signed.decision}; run {directory.id}")
    write_all(view_of(directory, options.root))
    return ExitCode.DONE


@with_ask
def monitor(ask: Ask, options: RunOptions, *, once: bool) -> ExitCode:
    """Watch the new release until hour 24; with `once` sample a single time."""
    from cutover.cli.announce import announcer_for
    from cutover.cli.results import show_end
    from cutover.monitor.monitor import watched_run
    from cutover.run.session import Session, StopSignal

    targets = options.targets()
    announcer = announcer_for(targets, ask.progress)
    output = WatchOutput(ask)
    stop = StopSignal(output.say)
    goes_back = replace(options, run="", service=targets.service, yes=True)
    back = Session(ask, goes_back, targets, announcer, stop)
    try:
        with stop.watching(), watched_run(targets, options.runs, options.run, announcer, stop, once=once) as run:
            output.follow(run)
            ended = run.run(stays=sys.stdin.isatty() and not once)
            return run.finish(ended, back)
    except Unjudged as nobody:
        ask.hosts = {one.host: {"verdict": "ERROR", "hour": None, "findings": []} for one in nobody.problems}
        raise
    finally:
        if output.run is not None:
            output.close(output.run)
        show_end(back)


@dataclass
class WatchOutput:
    """What people see of one watch: the live view and the table; and what is written when it ends."""

    ask: Ask
    run: "WatchedRun | None" = None
    console: "WatchConsole | None" = None

    def say(self, words: str) -> None:
        """A line about what is being done."""
        (self.console.say if self.console else self.ask.progress)(words)

    def follow(self, run: "WatchedRun") -> None:
        """Follow the journal of the watch."""
        from cutover.monitor.views.live import WatchConsole
        from cutover.monitor.views.table import Table
        from cutover.timeline.presentation import presentation

        self.run, self.ask.run_id = run, run.directory.id
        shown, live = presentation(self.ask.root, run.targets.service).watch, False if self.ask.json else None
        journal = run.watch.journal
        self.console = WatchConsole(self.ask.stream, shown, live=live, history=journal.records)
        for listener in (self.console, Table(run.directory.path, self.console.story), self._newest):
            journal.listen(listener)

    def close(self, run: "WatchedRun") -> None:
        """Close the view, write what stays, and print where it is."""
        from cutover.cli.results import say_problem, written_if_possible
        from cutover.evidence.collect import make_bundle
        from cutover.timeline.view import view_of

        if self.console is not None:
            self.console.close()
        if unwritten := len(run.watch.journal.unwritten):
            say_problem(self.ask, f"{unwritten} records of the watch could not be written", run.directory)
        written = written_if_possible(self.ask, view_of(run.directory, self.ask.root))
        self.ask.files.update(written)
        for name, path in written.items():
            self.ask.say(f"{name.replace('_', ' ')}: {path}")
        try:
            made = make_bundle(run.directory, self.ask.root)
            self.ask.files["evidence"] = str(made.bundle)
            self.ask.say(f"evidence: {made.bundle} ({made.verdict}, signed by {made.signer or made.key})")
        except CutoverError as unsigned:
            for problem in unsigned.problems:
                self.ask.say(f"evidence is not bundled: {problem}")

    def _newest(self, record: "Record") -> None:
        """The newest judgement of each host, for --json."""
        if record.kind == "judged":
            data: dict[str, Any] = record.data
            findings = [one for one in data["judgements"] if one["verdict"] != "PASS"]
            self.ask.hosts[record.host] = {"verdict": data["verdict"], "hour": data["t"] / 3600, "findings": findings}
