"""`rollback` and `abort`."""

from dataclasses import dataclass
from pathlib import Path

from cutover.conduct.back import rollback
from cutover.conduct.history import Known
from cutover.conduct.targets import Options, choose
from cutover.entry.app import Ask, confirm, end
from cutover.entry.telling import Listeners
from cutover.words.errors import ExitCode
from cutover.world.journal import Journal
from cutover.world.rundir import RunDir, RunDirs


@dataclass
class Back:
    """The options of the commands that lead back to V1."""

    root: Path
    command: str
    hosts: str
    inventory: str
    limit: str
    forks: int
    json: bool
    run: str
    reason: str
    yes: bool
    verbose: bool

    def rollback(self) -> ExitCode:
        """Back to V1."""
        return end(
            Ask(self.root, self.command, self.json, self.yes, self.verbose),
            lambda ask: self._go(ask, "nothing to roll back: no host of this pattern is on V2"),
        )

    def abort(self) -> ExitCode:
        """Give a run up; where V1 was stopped already, that is a rollback."""
        return end(
            Ask(self.root, self.command, self.json, self.yes, self.verbose),
            lambda ask: self._go(ask, "idle: nothing of V1 has been touched, and nothing is to be undone"),
        )

    def _go(self, ask: Ask, nothing: str) -> ExitCode:
        targets = choose(Options(self.root, self.hosts, self.inventory, self.limit, forks=self.forks))
        listening: list[Listeners] = []

        def approve(known: Known, hosts: tuple[str, ...]) -> None:
            ask.run_id = known.run
            confirm(ask, f"{self.command}: take {', '.join(hosts)} back to V1, undoing run {known.run}?")

        def watch(run: RunDir, journal: Journal) -> None:
            listening.append(Listeners(ask, run, targets.environment))
            listening[0].watch(journal)

        try:
            _, hosts = rollback(
                targets,
                RunDirs(self.root / ".cutover" / "runs"),
                run=self.run,
                reason=self.reason or "asked for by a person",
                approve=approve,
                watch=watch,
            )
        finally:
            for listeners in listening:
                listeners.finish()
        if not hosts:
            ask.say(nothing)
        return ExitCode.DONE
