"""The go / no-go poll: each line of the checklist with its verdict, and what they come to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any, Literal

from cutover.decide.gate import Finding
from cutover.decide.people.answers import Answer
from cutover.decide.people.checklist import Checklist, Line
from cutover.decide.suggest import listed
from cutover.words.errors import Problem
from cutover.words.verdict import Verdict, worst

Mode = Literal["required", "shown"]  # whether a line that nobody answered keeps the run from beginning


@dataclass(frozen=True)
class Polled:
    """A line with what it came to; `words` say why."""

    line: Line
    verdict: Verdict
    found: str
    answer: Answer | None = None

    def as_json(self) -> dict[str, Any]:
        """As the journal keeps it: who said it, when, and from where; of a machine's line, what was found."""
        said = self.answer
        by_whom = {} if said is None else {"answer": "yes" if said.yes else "no", "by": said.by, "at": said.at}
        how = {} if said is None else {"from": said.source, "note": said.note}
        return {
            "id": self.line.id, "group": self.line.group, "words": self.line.words, "role": self.line.role,
            "verdict": str(self.verdict), "found": self.found, **by_whom, **how,
        }  # fmt: skip


@dataclass(frozen=True)
class Poll:
    """The lines that were judged so far. A no is always no-go; what nobody answered is, where answers are required."""

    mode: Mode
    lines: tuple[Polled, ...]

    @property
    def verdict(self) -> Verdict:
        """The worst of all lines."""
        return worst(polled.verdict for polled in self.lines)

    @property
    def against(self) -> tuple[Polled, ...]:
        """The lines that keep the run from going on."""
        tolerated = (Verdict.INCONCLUSIVE,) if self.mode == "shown" else ()
        return tuple(
            polled
            for polled in self.lines
            if not polled.verdict.lets_pass and not (polled.line.human and polled.verdict in tolerated)
        )

    @property
    def go(self) -> bool:
        """Go, or no-go."""
        return not self.against

    @property
    def problems(self) -> list[Problem]:
        """What keeps the run from going on, for the person who asked for it."""
        return [
            Problem(
                path=f"checklist: {polled.line.id}",
                found=f"{polled.line.words}: {polled.found}",
                next=_next(polled),
            )
            for polled in self.against
        ]

    def as_json(self, part: str) -> dict[str, Any]:
        """As the journal keeps it."""
        return {
            "part": part, "mode": self.mode, "verdict": str(self.verdict), "go": self.go,
            "lines": [polled.as_json() for polled in self.lines],
        }  # fmt: skip

    def with_machines(self, checklist: Checklist, findings: Sequence[Finding]) -> "Poll":
        """The poll with the lines that findings prove, in the order of the checklist."""
        people = {polled.line.id: polled for polled in self.lines if polled.line.human}
        lines = [people.get(line.id) if line.human else _proven(line, findings) for line in checklist.lines]
        return replace(self, lines=tuple(polled for polled in lines if polled is not None))


def people_polled(checklist: Checklist, answers: Mapping[str, Answer], mode: Mode) -> Poll:
    """The lines that people answer, with what they answered."""
    return Poll(mode, tuple(_answered(line, answers.get(line.id)) for line in checklist.human))


def _answered(line: Line, answer: Answer | None) -> Polled:
    if answer is None:
        return Polled(line, Verdict.INCONCLUSIVE, f"nobody of the role {line.role} has answered")
    said = f"{'yes' if answer.yes else 'no'}, says {answer.by}" + (f": {answer.note}" if answer.note else "")
    return Polled(line, Verdict.PASS if answer.yes else Verdict.FAIL, said, answer)


def _proven(line: Line, findings: Sequence[Finding]) -> Polled:
    """A line by the findings of its names. A name that nothing was found under proves nothing."""
    unseen = [pattern for pattern in line.machine if not any(fnmatchcase(one.name, pattern) for one in findings)]
    about = [one for one in findings if any(fnmatchcase(one.name, pattern) for pattern in line.machine)]
    verdict = worst([Verdict.INCONCLUSIVE] * bool(unseen) + [one.verdict for one in about])
    noted = [f"{one.host}: {one.message}" for one in about if one.verdict is not Verdict.PASS]
    hosts = {one.host for one in about if one.host}
    held = f"holds by {len(about)} findings on {len(hosts)} hosts"
    missing = [f"nothing was found under {listed(unseen)}"] if unseen else []
    return Polled(line, verdict, "; ".join([*noted, *missing]) or held)


def _next(polled: Polled) -> str:
    if not polled.line.human:
        return "settle what phase 0 names, and plan again"
    if polled.answer is None:
        entry = f"{polled.line.id}: {{answer: yes, by: NAME}}"
        return f"have somebody answer it by name, on the terminal or as `{entry}` in the file of --answers"
    return f"settle it with {polled.answer.by}, and ask again"
