"""What people and other commands have said about a run meanwhile, from the run's own journal: sign-offs, and ways back."""

from dataclasses import dataclass

from cutover.words.record import Record
from cutover.world.journal import read
from cutover.world.rundir import RunDir

GO_ON, ROLL_BACK = "go_on", "rollback"


@dataclass(frozen=True)
class Signoff:
    """One person's decision: in which role, about which point of the watch (empty: about what it waits for), and when."""

    role: str
    name: str
    decision: str
    point: str
    at: str
    note: str = ""

    @classmethod
    def of(cls, record: Record) -> "Signoff":
        """From the journal."""
        data = record.data
        return cls(data["role"], data["name"], data["decision"], data["point"], record.at, data.get("note", ""))


@dataclass(frozen=True)
class Answers:
    """Everything said since a moment (ISO 8601 UTC)."""

    signoffs: tuple[Signoff, ...]
    went_back: bool  # somebody took the run back to V1

    @classmethod
    def since(cls, run: RunDir, at: str) -> "Answers":
        """Read them; the run's journal is written by other commands while the watch goes on."""
        records = [record for record in read(run.journal_file) if record.at >= at] if run.journal_file.exists() else []
        signoffs = tuple(Signoff.of(record) for record in records if record.kind == "signoff")
        return cls(signoffs, any(record.kind == "rollback.started" for record in records))

    def decision_since(self, at: str, point: str) -> Signoff | None:
        """The newest decision since a moment (ISO 8601 UTC) about what the watch waits for; a no outweighs any yes."""
        said = [one for one in self.signoffs if one.at >= at and one.point in ("", point)]
        return next((one for one in said if one.decision == ROLL_BACK), said[-1] if said else None)
