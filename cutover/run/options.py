"""What a person asked for: which hosts of which environment a command is about, and how it goes about it."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from cutover.console.ask import Ask, progress
from cutover.core.errors import Problem, UsageError

if TYPE_CHECKING:
    from cutover.inventory.targets import Targets
    from cutover.journal.rundir import Created, RunDir, RunDirs


@dataclass(frozen=True)
class RunOptions:
    """A command and its options; what a command does not have keeps its default."""

    root: Path
    command: str
    hosts: str = ""
    inventory: str = ""
    limit: str = ""
    forks: int = 0
    json: bool = False
    run: str = ""
    service: str = ""
    serial: str = ""
    release: str = ""
    answers: str = ""
    reason: str = "asked for by a person"
    steal_lock: str = ""
    resume: bool = False
    check: bool = False
    watch: bool = False
    diff: bool = False
    yes: bool = False
    verbose: bool = False

    def ask(self) -> Ask:
        """How the command speaks with people and scripts."""
        return Ask(self.root, self.command, self.json, self.yes, self.verbose)

    def targets(self) -> "Targets":
        """The hosts with their variables; UsageError with all that is wrong."""
        from cutover.inventory.targets import Options, choose

        service = self.service or (self._created.service if self.run else "")  # else the inventory says
        directory = str(self.environment)
        return choose(
            Options(self.root, self.pattern, directory, self.limit, self.serial, self.forks, self.release, service)
        )

    @property
    def only_prepare(self) -> bool:
        """Whether the run ends when every host is prepared."""
        return self.command == "prepare"

    @property
    def begins(self) -> bool:
        """Whether a new run is begun, which must name its environment: the last run here may have had another."""
        return self.command in ("plan", "prepare", "cutover") and not self.resume

    @cached_property
    def _created(self) -> "Created":
        """What the run that is named is about, where this machine knows it."""
        return self.directory(self.run).created()

    @cached_property
    def environment(self) -> Path:
        """The directory of the environment: by --inventory, by the pattern, by --run, by CUTOVER_INVENTORY, by the last run here."""
        from cutover.inventory.load import locate, named
        from cutover.inventory.targets import configured

        found = named(self.hosts, self.inventory, self.root)
        if found is None and self.run and self._created.environment:
            found = self._inventory(self.run, self._created)
        if found is None and not configured() and not self.begins:
            run = next((run for run in self.runs.newest_first() if run.created().environment), None)
            if run:
                found = self._inventory(run.id, run.created())
                progress(f"environment {found.absolute().name}, that of the last run here ({run.id})")
        return found or locate(self.hosts, self.inventory, self.root, configured())

    @property
    def pattern(self) -> str:
        """The pattern that chooses the hosts: as it was given, else that of the run that is named; empty means all of the environment."""
        if self.hosts or not self.run or self._created.environment != self.environment.absolute().name:
            return self.hosts
        return self._created.pattern

    def the_run(self) -> "RunDir":
        """The run on this machine that is meant: --run, else the last of the environment that was begun on hosts, which is said."""
        if self.run:
            return self.runs.named(self.run)
        name = self.environment.absolute().name
        found = self.runs.last(name, self.service)
        if found is None:
            next_ = "name it with --run, or begin one with `./invokew plan`"
            raise UsageError(Problem(f"no run of {name} was found here", next_, path=str(self.runs.root)))
        progress(f"run {found.id}{f': the last of {name} that was begun on hosts' if found.was_begun else ''}")
        return found

    @property
    def runs(self) -> "RunDirs":
        """The runs of this checkout."""
        from cutover.journal.rundir import runs_of

        return runs_of(self.root)

    def directory(self, run: str) -> "RunDir":
        """The directory of a run on this machine, whether or not it is there."""
        from cutover.journal.rundir import RunDir

        return RunDir(self.runs.root / run)

    def _inventory(self, run: str, created: "Created") -> Path:
        """Where a run's inventory lies; UsageError where it is gone."""
        directory = created.directory(self.root)
        if not directory.is_dir():
            found = f"run {run} is about {created.environment}, whose inventory is not at {directory} any more"
            next_ = "name the environment with --hosts, or give --inventory DIR"
            raise UsageError(Problem(found, next_, path="--hosts"))
        return directory

    def contradictions(self) -> list[Problem]:
        """Options that are given and would mean nothing, or two things at once."""
        beside_check = "it would be ignored: --check stops after the plan"
        of_plan = "a plan that was made is applied as it is"
        wrong = {
            "--resume": (self.check and self.resume, beside_check),
            "--answers": (self.check and bool(self.answers), beside_check),
            "--watch": (self.check and self.watch, beside_check),
            "--json": (self.watch and self.json, "with --watch two commands in one would print two documents"),
            "--serial": (bool(self.serial and (self.resume or self.run)), of_plan),
            "--release": (bool(self.release and self.run and not self.resume), of_plan),
        }
        next_ = "these options are mutually exclusive: leave one out"
        return [Problem(found, next_, path=option) for option, (is_so, found) in wrong.items() if is_so]
