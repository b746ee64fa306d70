"""What came of judging outside a run, as `verify`, `validate` and `shadow` tell it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from cutover.decide.gate import Finding
from cutover.words.errors import Problem
from cutover.words.step import State
from cutover.words.verdict import Verdict, worst


@dataclass(frozen=True)
class Judged:
    """Findings, and the documents that the hosts measured, by host and step; the run whose plans or release it was about."""

    title: str
    findings: tuple[Finding, ...]
    documents: Mapping[str, Mapping[str, State]]
    run: str = ""

    @property
    def verdict(self) -> Verdict:
        """The worst of all findings."""
        return worst(finding.verdict for finding in self.findings)

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Everything that is not PASS, as a problem to show."""
        return tuple(one.problem() for one in self.findings if one.verdict is not Verdict.PASS)

    def why(self, host: str) -> Problem:
        """What kept a host from giving a document."""
        silent = Problem(host=host, found="it gave no document", next="see what the command says of it")
        return next((one for one in self.problems if one.host == host), silent)


def unasked_findings(about: str, problems: Iterable[Problem]) -> tuple[Finding, ...]:
    """A host that cannot be asked was not judged, which is an ERROR of the judging and never silence; one for each host."""
    together: dict[str, list[Problem]] = {}
    for problem in problems:
        together.setdefault(problem.host, []).append(problem)
    return tuple(
        Finding(host, f"{about}.remote", Verdict.ERROR, "; ".join(one.found for one in several), several[0].next)
        for host, several in together.items()
    )
