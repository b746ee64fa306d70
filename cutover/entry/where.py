"""The options that nearly every command has: which hosts, and how the answer should look."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cutover.entry.app import Ask

if TYPE_CHECKING:
    from cutover.conduct.targets import Targets
    from cutover.world.rundir import RunDirs


@dataclass(frozen=True)
class Where:
    """A command, and the hosts that it is about."""

    root: Path
    command: str
    hosts: str = ""
    inventory: str = ""
    limit: str = ""
    forks: int = 0
    json: bool = False

    def ask(self, *, yes: bool = False, verbose: bool = False) -> Ask:
        """How the command speaks with people and scripts."""
        return Ask(self.root, self.command, self.json, yes, verbose)

    def targets(self, *, serial: str = "", release: str = "") -> "Targets":
        """The hosts with their variables; UsageError with all that is wrong."""
        from cutover.conduct.targets import Options, choose

        return choose(Options(self.root, self.hosts, self.inventory, self.limit, serial, self.forks, release))

    @property
    def runs(self) -> "RunDirs":
        """The runs of this checkout."""
        from cutover.world.rundir import RunDirs

        return RunDirs(self.root / ".cutover" / "runs")
