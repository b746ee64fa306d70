"""The go / no-go poll: each line of the checklist with its verdict, and what they come to."""

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from cutover.console.ask import read_line
from cutover.core.errors import Problem, Refused, UsageError
from cutover.core.verdict import Verdict, worst
from cutover.inventory.schema import Names, Schema, Text, did_you_mean, listed, misfits, one_of, validate
from cutover.inventory.targets import Targets
from cutover.inventory.yamlfile import Document, Keys, read
from cutover.journal.journal import Journal, utc_now
from cutover.journal.record import Record
from cutover.notify.escalation import TeamRole
from cutover.notify.listener import people_of
from cutover.plan.gate import Finding
from cutover.plan.phases import READS_FACTS
from cutover.plan.service import load_service

# The checklist before a run: lines that findings prove, and lines that a person answers. Data, checked when it is read.

FILE = "checklist.yml"


@dataclass(frozen=True)
class ChecklistLine:
    """One line. `machine` holds patterns of names of findings; where it is empty, a person of `role` answers `question`."""

    id: str
    group: str
    words: str
    machine: tuple[str, ...] = ()
    question: str = ""
    role: str = ""

    @property
    def human(self) -> bool:
        """Whether a person answers it."""
        return not self.machine


@dataclass(frozen=True)
class Checklist:
    """All lines, and what their groups are called."""

    groups: dict[str, str]
    lines: tuple[ChecklistLine, ...]

    @property
    def human(self) -> tuple[ChecklistLine, ...]:
        """The lines that a person answers."""
        return tuple(line for line in self.lines if line.human)


class HumanEntry(Schema):
    """The question of a line that a person answers, and the role that answers it."""

    question: Text
    role: Annotated[str, one_of("role")]


class LineEntry(Schema):
    """A line of the file."""

    group: Annotated[str, one_of("group")]
    words: Text
    machine: Names | None = None
    human: HumanEntry | None = None

    @model_validator(mode="after")
    def _one_proof(self) -> Self:
        misfits(self._wrong())
        return self

    def _wrong(self) -> Iterator[tuple[Keys, str, str]]:
        if (self.machine is None) == (self.human is None):
            found = "has neither `machine` nor `human`" if self.human is None else "has both `machine` and `human`"
            yield (), found, "write what proves it: names of findings, or a question to a role; one of them"
        if self.machine == ():
            yield ("machine",), "names no finding", "name one, such as preflight.clock"


class ChecklistFile(Schema):
    """The file: the titles of the groups, and the lines."""

    groups: dict[str, Text]
    lines: dict[str, LineEntry] = Field(min_length=1)


class AnswerEntry(Schema):
    """An answer in a file of answers."""

    answer: bool
    by: Text
    note: str = ""


def checklist(path: Path, roles: Iterable[str]) -> Checklist:
    """The checklist in a file; UsageError with all that is wrong with it. `roles` are those that there are."""
    problems: list[Problem] = []
    document = _document(path)
    groups = document.value.get("groups") if isinstance(document.value, dict) else None
    context = {"role": list(roles), "group": list(groups) if isinstance(groups, dict) else []}
    found = validate(ChecklistFile, document.value, document.where, problems, context)
    if found is None:
        raise UsageError(problems)
    lines = (
        ChecklistLine(
            name, one.group, one.words, one.machine or (), *((one.human.question, one.human.role) if one.human else ())
        )
        for name, one in found.lines.items()
    )
    return Checklist(found.groups, tuple(lines))


def _document(path: Path) -> Document:
    problems: list[Problem] = []
    document = read(path, problems)
    if document is None:
        raise UsageError(problems)
    return document


# What people answered: a file of --answers, read and checked as a whole.

Source = Literal["terminal", "file"]


@dataclass(frozen=True)
class ChecklistAnswer:
    """A person's answer to a line: yes or no, by whom (a name, never a login), when (UTC), and how it came here."""

    yes: bool
    by: str
    at: str
    source: Source
    note: str = ""


def answers(path: Path, known: Checklist, at: str) -> dict[str, ChecklistAnswer]:
    """The answers in a file, by line: `id: {answer: yes, by: NAME, note: ...}`; UsageError with all that is wrong."""
    document, problems = _document(path), list[Problem]()
    if not isinstance(document.value, dict):
        raise UsageError(
            Problem("expected answers by line", "write `line: {answer: yes, by: NAME}`", path=document.name)
        )
    human = [line.id for line in known.human]
    given: dict[str, ChecklistAnswer] = {}
    for name, body in document.value.items():
        if name in human:
            entry = validate(AnswerEntry, body, lambda *keys, name=name: document.where(name, *keys), problems)
            if entry is not None:
                given[name] = ChecklistAnswer(entry.answer, entry.by, at, "file", entry.note.strip())
            continue
        found, advice = (
            f"the checklist has no line `{name}`",
            f"{did_you_mean(name, human)}a person answers {listed(human)}",
        )
        if name in [line.id for line in known.lines]:
            found, advice = f"`{name}` is proven by what the hosts show", "remove it; nobody answers it"
        problems.append(Problem(found, advice, path=document.where(name)))
    if problems:
        raise UsageError(problems)
    return given


Mode = Literal["required", "shown"]  # whether a line that nobody answered keeps the run from beginning


@dataclass(frozen=True)
class Polled:
    """A line with what it came to; `words` say why."""

    line: ChecklistLine
    verdict: Verdict
    found: str
    answer: ChecklistAnswer | None = None

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
                path=f"checklist: {polled.line.id}", found=f"{polled.line.words}: {polled.found}", next=_next(polled)
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


def people_polled(checklist: Checklist, answers: Mapping[str, ChecklistAnswer], mode: Mode) -> Poll:
    """The lines that people answer, with what they answered."""
    return Poll(mode, tuple(_answered(line, answers.get(line.id)) for line in checklist.human))


def _answered(line: ChecklistLine, answer: ChecklistAnswer | None) -> Polled:
    if answer is None:
        return Polled(line, Verdict.INCONCLUSIVE, f"nobody of the role {line.role} has answered")
    said = f"{'yes' if answer.yes else 'no'}, says {answer.by}" + (f": {answer.note}" if answer.note else "")
    return Polled(line, Verdict.PASS if answer.yes else Verdict.FAIL, said, answer)


def _proven(line: ChecklistLine, findings: Sequence[Finding]) -> Polled:
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
        return "fix what phase 0 names, and plan again"
    if polled.answer is None:
        entry = f"{polled.line.id}: {{answer: yes, by: NAME}}"
        return f"have somebody answer it by name, on the terminal or as `{entry}` in the file of --answers"
    return f"settle it with {polled.answer.by}, and ask again"


# The go / no-go poll of a run, in two parts: people answer before it begins, and phase 0 proves the rest.


@dataclass(frozen=True)
class Polling:
    """What a poll needs: the checklist, the roles that answer, whether answers are required, those of a file, whether people are asked."""

    checklist: Checklist
    roles: Mapping[str, TeamRole]
    mode: Mode
    given: Mapping[str, ChecklistAnswer]
    terminal: bool = False

    def people(self, journal: Journal) -> Poll:
        """Have people answer, and record it. Call it once the plan is approved and before any host is changed.

        UsageError (2) where an answer that is required is missing; Refused (3) where somebody says no.
        """
        poll = people_polled(self.checklist, {**self._before(journal), **self.given}, self.mode)
        said = dict(self.given)
        if self.terminal:
            for role, lines in _by_role(poll).items():
                said |= ask_on_terminal(self.roles[role], lines)
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

    def _before(self, journal: Journal) -> dict[str, ChecklistAnswer]:
        """What people of this run have answered already: it is not asked a second time."""
        return {
            line["id"]: ChecklistAnswer(line["answer"] == "yes", line["by"], line["at"], line["from"], line["note"])
            for record in journal.of("poll")
            for line in record.data["lines"]
            if line.get("answer") == "yes"
        }


def polling(targets: Targets, answers_file: str, *, yes: bool) -> Polling:
    """The poll for these hosts; UsageError with everything that is wrong in checklist, people and answers.

    People are asked where there is a terminal; `yes` answers nothing, and spares them what is not required.
    """
    known = people_of(targets)
    lines = checklist(load_service(targets.root, targets.service).file(FILE), known.roles)
    given = answers(Path(answers_file), lines, utc_now()) if answers_file else {}
    mode: Mode = "required" if targets.shared("people_checklist") == "required" else "shown"
    return Polling(lines, known.roles, mode, given, sys.stdin.isatty() and (mode == "required" or not yes))


def ask_on_terminal(role: TeamRole, lines: Sequence[ChecklistLine]) -> dict[str, ChecklistAnswer]:
    """Ask whoever holds a role, by name, line by line; an empty name or answer leaves open what it is about."""
    known = f" ({', '.join(role.names)})" if role.names else ""
    by = read_line(f"checklist: who answers as {role.title}{known}? Your name, or nothing if nobody is here:")
    given: dict[str, ChecklistAnswer] = {}
    for line in lines if by else ():
        yes = _yes_or_no(f"{by}: {line.question} [yes/no, or nothing]")
        if yes is not None:
            given[line.id] = ChecklistAnswer(yes, by, utc_now(), "terminal", "" if yes else read_line("why not?"))
    return given


def _yes_or_no(question: str) -> bool | None:
    while True:
        said = read_line(question).lower()
        if said in ("y", "yes", "n", "no", ""):
            return said[0] == "y" if said else None


def found_in(records: Sequence[Record]) -> list[Finding]:
    """All that phase 0 found when it was last gone through: its steps and its checks, as they were judged by its gate."""
    begun = [
        n for n, record in enumerate(records) if record.kind == "phase.started" and record.phase == READS_FACTS.name
    ]
    last = [record for record in records[begun[-1] :] if record.phase == READS_FACTS.name] if begun else []
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


def _by_role(poll: Poll) -> dict[str, list[ChecklistLine]]:
    """The lines that are open still, by who answers them."""
    found: dict[str, list[ChecklistLine]] = {}
    for polled in poll.lines:
        if polled.answer is None:
            found.setdefault(polled.line.role, []).append(polled.line)
    return found
