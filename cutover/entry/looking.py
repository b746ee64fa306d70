"""`status`, `verify`, `validate`, `report`: they look and judge, and change nothing."""

from dataclasses import dataclass
from pathlib import Path

from cutover.conduct.targets import Options, choose
from cutover.entry.app import Ask, end
from cutover.words.errors import ExitCode, Problem, Unreachable, UsageError
from cutover.world.rundir import RunDirs


@dataclass
class Looking:
    """The options of the commands that only look."""

    root: Path
    command: str
    hosts: str
    inventory: str
    limit: str
    forks: int
    json: bool

    def status(self) -> ExitCode:
        """Where the hosts are."""
        return end(Ask(self.root, self.command, self.json), self._status)

    def verify(self, run: str, phase: str, junit: str) -> ExitCode:
        """A phase's checks, alone."""
        return end(Ask(self.root, self.command, self.json), lambda ask: self._verify(ask, run, phase, junit))

    def validate(self) -> ExitCode:
        """The live service, judged on its hosts."""
        return end(Ask(self.root, self.command, self.json), self._validate)

    @property
    def _options(self) -> Options:
        return Options(self.root, self.hosts, self.inventory, self.limit, forks=self.forks)

    def _status(self, ask: Ask) -> ExitCode:
        from cutover.conduct.state import look_at_state
        from cutover.tell.paper import paper
        from cutover.tell.statusview import status_view

        states, unasked = look_at_state(choose(self._options))
        ask.hosts = dict(states)
        paper(ask.stream).print(status_view(states))
        if unasked:
            raise Unreachable(unasked)
        return ExitCode.DONE

    def _verify(self, ask: Ask, run: str, phase: str, junit: str) -> ExitCode:
        from cutover.conduct.judging import verify
        from cutover.tell.judged import show_judged

        judged = verify(choose(self._options), run=run, phase=phase, junit=Path(junit) if junit else None)
        ask.hosts = show_judged(judged.phase.label, judged.findings, judged.verdict, say=ask.say)
        return judged.verdict.exit_code

    def _validate(self, ask: Ask) -> ExitCode:
        from cutover.conduct.judging import validate
        from cutover.entry.written import write_validation
        from cutover.tell.judged import show_judged

        judged = validate(choose(self._options))
        ask.hosts = show_judged(judged.phase.label, judged.findings, judged.verdict, say=ask.say)
        ask.say(f"report: {write_validation(self.root, judged.documents)}")
        return judged.verdict.exit_code


def report(root: Path, hosts: str, inventory: str, run: str) -> ExitCode:
    """Draw the report anew."""
    return end(Ask(root, "report"), lambda ask: _report(ask, hosts, inventory, run))


def _report(ask: Ask, hosts: str, inventory: str, run: str) -> ExitCode:
    from cutover.decide.inventory import locate
    from cutover.entry.written import write_all

    runs = RunDirs(ask.root / ".cutover" / "runs")
    directory = runs.named(run) if run else runs.last(locate(hosts, inventory, ask.root).name)
    if directory is None:
        raise UsageError(
            Problem(
                path=str(runs.root),
                found="there is no run of this environment here",
                next="name it with --run, or begin one with `invoke plan`",
            )
        )
    write_all(ask.root, directory)
    ask.say(str(directory.report))
    return ExitCode.DONE
