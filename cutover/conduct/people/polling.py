"""The go / no-go poll of a run, in two parts: people answer before it begins, and phase 0 proves the rest."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cutover.conduct.people.announcing import people_of
from cutover.conduct.targets import Targets
from cutover.decide.gate import Finding
from cutover.decide.people.answers import Answer, answers
from cutover.decide.people.checklist import FILE, Checklist, Line, checklist
from cutover.decide.people.contacts import Role
from cutover.decide.people.poll import Mode, Poll, people_polled
from cutover.decide.phases import PHASES
from cutover.words.errors import Refused, UsageError
from cutover.words.record import Record
from cutover.words.verdict import Verdict
from cutover.world.journal import Journal, utc_now

PHASE = PHASES[0].name  # whose findings prove the machine's lines
Ask = Callable[
    [Role, Sequence[Line]], Mapping[str, Answer]
]  # asks whoever holds a role; what nobody answers is left out


@dataclass(frozen=True)
class Polling:
    """What a poll needs: the checklist, the roles that answer, whether answers are required, and those of a file."""

    checklist: Checklist
    roles: Mapping[str, Role]
    mode: Mode
    given: Mapping[str, Answer]
    ask: Ask | None = None  # None where there is no terminal

    def people(self, journal: Journal) -> Poll:
        """Have people answer, and record it. Call it once the plan is approved and before any host is changed.

        UsageError (2) where an answer that is required is missing; Refused (3) where somebody says no.
        """
        poll = people_polled(self.checklist, {**self._before(journal), **self.given}, self.mode)
        said = dict(self.given)
        if self.ask is not None:
            for role, lines in _by_role(poll).items():
                said |= self.ask(self.roles[role], lines)
            poll = people_polled(self.checklist, {**self._before(journal), **said}, self.mode)
        journal.write("poll", **poll.as_json("people"))
        if any(polled.verdict is Verdict.FAIL for polled in poll.against):
            raise Refused(poll.problems)
        if not poll.go:
            raise UsageError(poll.problems)
        return poll

    def machines(self, journal: Journal) -> Poll:
        """Judge the other lines by what phase 0 found, and record the whole poll. Call it after the gate of phase 0.

        Refused (3) where it says no-go.
        """
        people = people_polled(self.checklist, {**self._before(journal), **self.given}, self.mode)
        poll = people.with_machines(self.checklist, found_in(journal.records))
        journal.write("poll", **poll.as_json("all"))
        if not poll.go:
            raise Refused(poll.problems)
        return poll

    def _before(self, journal: Journal) -> dict[str, Answer]:
        """What people of this run have answered already: it is not asked a second time."""
        return {
            line["id"]: Answer(line["answer"] == "yes", line["by"], line["at"], line["from"], line["note"])
            for record in journal.of("poll")
            for line in record.data["lines"]
            if line.get("answer") == "yes"
        }


def polling(targets: Targets, answers_file: str, ask: Ask | None) -> Polling:
    """The poll for these hosts; UsageError with everything that is wrong in checklist, people and answers."""
    known = people_of(targets)
    lines = checklist(targets.root / FILE, known.contacts.roles)
    given = answers(Path(answers_file), lines, utc_now()) if answers_file else {}
    mode: Mode = "required" if targets.shared("people_checklist") == "required" else "shown"
    return Polling(lines, known.contacts.roles, mode, given, ask)


def found_in(records: Sequence[Record]) -> list[Finding]:
    """All that phase 0 found when it was last gone through: its steps and its checks, as they were judged by its gate."""
    begun = [n for n, record in enumerate(records) if record.kind == "phase.started" and record.phase == PHASE]
    last = [record for record in records[begun[-1] :] if record.phase == PHASE] if begun else []
    found: dict[tuple[str, str], Finding] = {}
    for record in last:
        if record.kind == "outcome":
            verdict = Verdict.PASS if record.data["ok"] else Verdict.FAIL  # how grave a no is, the gate says
            one = Finding(record.host, record.data["id"], verdict, record.data["words"])
            found[one.host, one.name] = one
        elif record.kind in ("checks", "gate"):
            for said in record.data["findings"]:
                one = Finding(**{**said, "verdict": Verdict(said["verdict"])})
                found[one.host, one.name] = one
    return list(found.values()) if any(record.kind == "gate" for record in last) else []


def _by_role(poll: Poll) -> dict[str, list[Line]]:
    """The lines that are open still, by who answers them."""
    found: dict[str, list[Line]] = {}
    for polled in poll.lines:
        if polled.answer is None:
            found.setdefault(polled.line.role, []).append(polled.line)
    return found
