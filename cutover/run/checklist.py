"""The go / no-go poll: each line of the checklist with its verdict, and what they come to."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from cutover.console.ask import read_line
from cutover.core.errors import Problem, Refused, UsageError
from cutover.core.verdict import Verdict, worst
from cutover.inventory.schema import Names, Refusals, Schema, Text, did_you_mean, listed, one_of, validate
from cutover.inventory.targets import Targets
from cutover.inventory.yamlfile import required
from cutover.journal.journal import Journal, utc_now
from cutover.notify.escalation import TeamRole
from cutover.notify.listener import people_of
from cutover.plan.gate import Finding
from cutover.plan.service import load_service

# The checklist before a run: lines that findings prove, and lines that a person answers. Data, checked when it is read.

FILE = "checklist.yml"


class Question(Schema):
    """What a person answers, and in which role."""

    question: Text
    role: Annotated[str, one_of("role")]


class ChecklistLine(Schema):
    """One line: proven by the findings of these names (patterns), or by a person's answer."""

    group: Annotated[str, one_of("group", ("infrastructure", "team", "documents"))]
    words: Text
    machine: Names | None = None
    human: Question | None = None

    def refusals(self) -> Refusals:
        """One proof, and not an empty one."""
        if (self.machine is None) == (self.human is None):
            found = "has neither `machine` nor `human`" if self.human is None else "has both `machine` and `human`"
            yield (), found, "write what proves it: names of findings, or a question to a role; one of them"
        if self.machine == ():
            yield ("machine",), "names no finding", "name one, such as preflight.clock"


class Checklist(Schema):
    """The file."""

    lines: dict[str, ChecklistLine] = Field(min_length=1)

    @property
    def human(self) -> dict[str, Question]:
        """What people answer, by line."""
        return {name: line.human for name, line in self.lines.items() if line.human}


def checklist(path: Path, roles: Iterable[str]) -> Checklist:
    """The checklist in a file; UsageError with all that is wrong with it. `roles` are those that there are."""
    problems: list[Problem] = []
    document = required(path)
    found = validate(Checklist, document.value, document.where, problems, {"role": list(roles)})
    if found is None:
        raise UsageError(problems)
    return found


# What people answered: a file of --answers, read and checked as a whole.


class AnswerEntry(Schema):
    """An answer in a file of answers."""

    answer: bool
    by: Text
    note: str = ""


@dataclass(frozen=True)
class ChecklistAnswer:
    """A person's answer to a line: yes or no, by whom (a name, never a login), when (UTC), and how it came here."""

    yes: bool
    by: str
    at: str
    source: Literal["terminal", "file"]
    note: str = ""


def answers(path: Path, known: Checklist, at: str) -> dict[str, ChecklistAnswer]:
    """The answers in a file, by line: `id: {answer: yes, by: NAME, note: ...}`; UsageError with all that is wrong."""
    document, problems = required(path), list[Problem]()
    if not isinstance(document.value, dict):
        next_ = "write `line: {answer: yes, by: NAME}`"
        raise UsageError(Problem("expected answers by line", next_, path=document.name))
    given: dict[str, ChecklistAnswer] = {}
    for name, body in document.value.items():
        if name in known.human:
            entry = validate(AnswerEntry, body, lambda *keys, name=name: document.where(name, *keys), problems)
            if entry is not None:
                given[name] = ChecklistAnswer(entry.answer, entry.by, at, "file", entry.note.strip())
        elif name in known.lines:
            found = f"`{name}` is proven by what the hosts show"
            problems.append(Problem(found, "remove it; nobody answers it", path=document.where(name)))
        else:
            next_ = f"{did_you_mean(name, known.human)}a person answers {listed(known.human)}"
            problems.append(Problem(f"the checklist has no line `{name}`", next_, path=document.where(name)))
    if problems:
        raise UsageError(problems)
    return given


# The go / no-go poll of a run, in two parts: people answer before it begins, and phase 0 proves the rest.


@dataclass(frozen=True)
class Polled:
    """A line with what it came to; `found` says why."""

    id: str
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
            "id": self.id, "group": self.line.group, "words": self.line.words,
            "role": self.line.human.role if self.line.human else "",
            "verdict": str(self.verdict), "found": self.found, **by_whom, **how,
        }  # fmt: skip

    def problem(self) -> Problem:
        """What keeps the run from going on, for the person who asked for it."""
        if not self.line.human:
            next_ = "fix what phase 0 names, and plan again"
        elif self.answer is None:
            entry = f"{self.id}: {{answer: yes, by: NAME}}"
            next_ = f"have somebody answer it by name, on the terminal or as `{entry}` in the file of --answers"
        else:
            next_ = f"settle it with {self.answer.by}, and ask again"
        return Problem(path=f"checklist: {self.id}", found=f"{self.line.words}: {self.found}", next=next_)


@dataclass(frozen=True)
class Polling:
    """What a poll needs: the checklist, the roles that answer, the answers of a file, and whether people are asked on the terminal.

    A no is always no-go; what nobody answered is one only where answers are `required`.
    """

    checklist: Checklist
    roles: Mapping[str, TeamRole]
    mode: Literal["required", "shown"]
    given: Mapping[str, ChecklistAnswer]
    terminal: bool = False

    def people(self, journal: Journal) -> None:
        """Have people answer, and record it. Call it once the plan is approved and before any host is changed.

        UsageError (2) where an answer that is required is missing; Refused (3) where somebody says no.
        """
        said = self._said(journal)
        if self.terminal:
            open_lines = {name: one for name, one in self.checklist.human.items() if name not in said}
            for role in dict.fromkeys(one.role for one in open_lines.values()):
                asked = {name: one.question for name, one in open_lines.items() if one.role == role}
                said |= ask_on_terminal(self.roles[role], asked)
        lines = [_answered(name, line, said.get(name)) for name, line in self.checklist.lines.items() if line.human]
        if against := self._record(journal, "people", lines):
            no = any(polled.verdict is Verdict.FAIL for polled in against)
            raise (Refused if no else UsageError)(polled.problem() for polled in against)

    def machines(self, journal: Journal, findings: Sequence[Finding]) -> None:
        """Judge the other lines by what phase 0 found, and record the whole poll.

        Refused (3) where it says no-go.
        """
        said = self._said(journal)
        lines = [
            _answered(name, line, said.get(name)) if line.human else _proven(name, line, findings)
            for name, line in self.checklist.lines.items()
        ]
        if against := self._record(journal, "all", lines):
            raise Refused(polled.problem() for polled in against)

    def _said(self, journal: Journal) -> dict[str, ChecklistAnswer]:
        """The answers of the file, and what people of this run have answered already: it is not asked a second time."""
        before = {
            line["id"]: ChecklistAnswer(line["answer"] == "yes", line["by"], line["at"], line["from"], line["note"])
            for record in journal.of("poll")
            for line in record.data["lines"]
            if line.get("answer") == "yes"
        }
        return {**before, **self.given}

    def _record(self, journal: Journal, part: str, lines: Sequence[Polled]) -> list[Polled]:
        """Write the poll to the journal; gives the lines that keep the run from going on."""
        against = [
            polled
            for polled in lines
            if not polled.verdict.lets_pass
            and not (self.mode == "shown" and polled.line.human and polled.verdict is Verdict.INCONCLUSIVE)
        ]
        journal.write(
            "poll", part=part, mode=self.mode, verdict=str(worst(polled.verdict for polled in lines)), go=not against,
            lines=[polled.as_json() for polled in lines],
        )  # fmt: skip
        return against


def polling(targets: Targets, answers_file: str, *, yes: bool) -> Polling:
    """The poll for these hosts; UsageError with everything that is wrong in checklist, people and answers.

    People are asked where there is a terminal; `yes` answers nothing, and spares them what is not required.
    """
    known = people_of(targets)
    lines = checklist(load_service(targets.root, targets.service).file(FILE), known.roles)
    given = answers(Path(answers_file), lines, utc_now()) if answers_file else {}
    mode: Literal["required", "shown"] = "required" if targets.shared("people_checklist") == "required" else "shown"
    return Polling(lines, known.roles, mode, given, sys.stdin.isatty() and (mode == "required" or not yes))


def ask_on_terminal(role: TeamRole, questions: Mapping[str, str]) -> dict[str, ChecklistAnswer]:
    """Ask whoever holds a role, by name, line by line; an empty name or answer leaves open what it is about."""
    known = f" ({', '.join(role.names)})" if role.names else ""
    by = read_line(f"checklist: who answers as {role.title}{known}? Your name, or nothing if nobody is here:")
    given: dict[str, ChecklistAnswer] = {}
    for name, question in questions.items() if by else ():
        said = "?"
        while said not in ("y", "yes", "n", "no", ""):
            said = read_line(f"{by}: {question} [yes/no, or nothing]").lower()
        if said:
            yes = said.startswith("y")
            given[name] = ChecklistAnswer(yes, by, utc_now(), "terminal", "" if yes else read_line("why not?"))
    return given


def _answered(name: str, line: ChecklistLine, answer: ChecklistAnswer | None) -> Polled:
    if answer is None:
        nobody = f"nobody of the role {line.human.role if line.human else ''} has answered"
        return Polled(name, line, Verdict.INCONCLUSIVE, nobody)
    said = f"{'yes' if answer.yes else 'no'}, says {answer.by}" + (f": {answer.note}" if answer.note else "")
    return Polled(name, line, Verdict.PASS if answer.yes else Verdict.FAIL, said, answer)


def _proven(name: str, line: ChecklistLine, findings: Sequence[Finding]) -> Polled:
    """A line by the findings of its names. A name that nothing was found under proves nothing."""
    names = {one.name for one in findings}  # each of them on every host
    meant = {pattern: {name for name in names if fnmatchcase(name, pattern)} for pattern in line.machine or ()}
    unseen = [pattern for pattern, matched in meant.items() if not matched]
    about = [one for one in findings if any(one.name in matched for matched in meant.values())]
    verdict = worst([Verdict.INCONCLUSIVE] * bool(unseen) + [one.verdict for one in about])
    noted = [f"{one.host}: {one.message}" for one in about if one.verdict is not Verdict.PASS]
    hosts = {one.host for one in about if one.host}
    missing = [f"nothing was found under {listed(unseen)}"] if unseen else []
    held = f"holds by {len(about)} findings on {len(hosts)} hosts"
    return Polled(name, line, verdict, "; ".join([*noted, *missing]) or held)
