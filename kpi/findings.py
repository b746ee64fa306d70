"""What can be wrong with a tape, a config or a service: a code, where, what was found, what to do next."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass


@dataclass(frozen=True, order=True)
class Finding:
    """One thing that is wrong. `code` is the name that programs compare; the rest is for people."""

    code: str
    where: str
    found: str
    next: str

    def __str__(self) -> str:
        return f"{self.where}: {self.found} [{self.code}]\n    next: {self.next}"

    def as_json(self) -> dict[str, str]:
        """As it is in every report."""
        return asdict(self)

    def as_issue(self, verdict: str) -> dict[str, str]:
        """As it is among the `issues` of a document: with what it comes to."""
        return {"verdict": verdict, **asdict(self)}


class KpiError(Exception):
    """Base of all expected ends; carries all its findings at once."""

    def __init__(self, findings: Finding | Iterable[Finding]) -> None:
        self.findings = (findings,) if isinstance(findings, Finding) else tuple(findings)
        super().__init__("\n".join(str(finding) for finding in self.findings))

    def __reduce__(self) -> tuple[type["KpiError"], tuple[tuple[Finding, ...]]]:
        return type(self), (self.findings,)  # so that it comes back whole from another process


class UsageError(KpiError):
    """Options, paths or config are wrong; nothing was done."""


class RefusedTapeError(KpiError):
    """The tape cannot be computed as it is; no number comes out of it."""
