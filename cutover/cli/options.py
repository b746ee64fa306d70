"""The options that nearly every command has: which hosts, of which environment, and how the answer should look."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from cutover.cli.app import Ask, progress

if TYPE_CHECKING:
    from cutover.inventory.targets import Targets
    from cutover.journal.rundir import RunDir, RunDirs


@dataclass(frozen=True)
class Where:
    """A command, and the hosts that it is about. With `last` it may mean the environment of the last run here."""

    root: Path
    command: str
    hosts: str = ""
    inventory: str = ""
    limit: str = ""
    forks: int = 0
    json: bool = False
    run: str = ""
    last: bool = True

    def ask(self, *, yes: bool = False, verbose: bool = False) -> Ask:
        """How the command speaks with people and scripts."""
        return Ask(self.root, self.command, self.json, yes, verbose)

    def targets(self, *, serial: str = "", release: str = "") -> "Targets":
        """The hosts with their variables; UsageError with all that is wrong."""
        from cutover.inventory.targets import Options, choose

        directory = str(self.environment)
        return choose(Options(self.root, self.pattern, directory, self.limit, serial, self.forks, release))

    @cached_property
    def environment(self) -> Path:
        """The directory of the environment: by --inventory, by the pattern, by --run, by CUTOVER_INVENTORY, by the last run here."""
        from cutover.inventory.load import locate, named
        from cutover.inventory.targets import configured

        found = named(self.hosts, self.inventory, self.root) or self._of_run()
        if found is None and not configured() and self.last:
            found = self._of_last()
        return found or locate(self.hosts, self.inventory, self.root, configured())

    @property
    def pattern(self) -> str:
        """The pattern that chooses the hosts: as it was given, else that of the run that is named; empty means all of the environment."""
        if self.hosts or not self.run:
            return self.hosts
        created = self._here(self.run).created()
        return created.pattern if created and created.environment == self.environment.absolute().name else ""

    def the_run(self) -> "RunDir":
        """The run on this machine that is meant: --run, else the last of the environment that was begun on hosts, which is said."""
        from cutover.core.errors import Problem, UsageError

        if self.run:
            return self.runs.named(self.run)
        name = self.environment.absolute().name
        found = self.runs.last(name)
        if found is None:
            next_ = "name it with --run, or begin one with `./invokew plan`"
            raise UsageError(Problem(f"there is no run of {name} here", next_, path=str(self.runs.root)))
        progress(
            f"run {found.id}: the last of {name} that was begun on hosts" if found.was_begun else f"run {found.id}"
        )
        return found

    @property
    def runs(self) -> "RunDirs":
        """The runs of this checkout."""
        from cutover.journal.rundir import RunDirs

        return RunDirs(self.root / ".cutover" / "runs")

    def _here(self, run: str) -> "RunDir":
        from cutover.journal.rundir import RunDir

        return RunDir(self.runs.root / run)

    def _of_run(self) -> Path | None:
        return self._inventory(self._here(self.run)) if self.run else None

    def _of_last(self) -> Path | None:
        run = next((run for run in self.runs.newest_first() if run.created()), None)
        found = self._inventory(run) if run else None
        if run and found:
            progress(f"environment {found.absolute().name}, that of the last run here ({run.id})")
        return found

    def _inventory(self, run: "RunDir") -> Path | None:
        """Where a run's inventory lies; None where this machine knows nothing of the run. UsageError where it is gone."""
        from cutover.core.errors import Problem, UsageError

        created = run.created()
        if created is None:
            return None
        directory = self.root / (created.inventory or f"inventory/{created.environment}")
        if not directory.is_dir():
            found = f"run {run.id} is about {created.environment}, whose inventory is not at {directory} any more"
            raise UsageError(
                Problem(found, "name the environment with --hosts, or give --inventory DIR", path="--hosts")
            )
        return directory
