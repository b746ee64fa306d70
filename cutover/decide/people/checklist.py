"""The checklist before a run: lines that findings prove, and lines that a person answers. Data, checked when it is read."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cutover.decide.people.reading import Reading
from cutover.decide.suggest import did_you_mean, listed
from cutover.decide.yamlfile import read
from cutover.words.errors import Problem, UsageError

FILE = Path("roles") / "people" / "checklist.yml"


@dataclass(frozen=True)
class Line:
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
    lines: tuple[Line, ...]

    @property
    def human(self) -> tuple[Line, ...]:
        """The lines that a person answers."""
        return tuple(line for line in self.lines if line.human)


def checklist(path: Path, roles: Iterable[str]) -> Checklist:
    """The checklist in a file; UsageError with all that is wrong with it. `roles` are those that there are."""
    problems: list[Problem] = []
    document = read(path, problems)
    if document is None:
        raise UsageError(problems)
    reading = Reading(lambda keys: document.where(*keys), problems)
    whole = reading.fields(document.value, (), ("groups", "lines"), needed=("groups", "lines"))
    groups = {
        name: reading.words(words, ("groups", name))
        for name, words in reading.entries(whole.get("groups", {}), ("groups",)).items()
    }
    known = list(roles)
    lines = tuple(
        _line(reading, name, body, groups, known)
        for name, body in reading.entries(whole.get("lines", {}), ("lines",)).items()
    )
    if not lines and not problems:
        reading.refuse(("lines",), "has no line", "write what has to be so before a run")
    if problems:
        raise UsageError(problems)
    return Checklist(groups, lines)


def _line(reading: Reading, name: str, body: object, groups: dict[str, str], roles: list[str]) -> Line:
    at = ("lines", name)
    fields = reading.fields(body, at, ("group", "words", "machine", "human"), needed=("group", "words"))
    group = fields.get("group", next(iter(groups), ""))
    if group not in groups:
        advice = f"{did_you_mean(str(group), groups)}groups: {listed(groups)}"
        reading.refuse((*at, "group"), f"unknown group `{group}`", advice)
    if isinstance(body, dict) and ("machine" in fields) == ("human" in fields):
        found = "has both `machine` and `human`" if "machine" in fields else "has neither `machine` nor `human`"
        reading.refuse(at, found, "say what proves it: names of findings, or a question to a role; one of the two")
    words = reading.words(fields["words"], (*at, "words")) if "words" in fields else ""
    machine = reading.names(fields["machine"], (*at, "machine"), what="pattern") if "machine" in fields else ()
    if fields.get("machine") == []:
        reading.refuse((*at, "machine"), "names no finding", "name one, such as preflight.clock")
    question, role = _human(reading, (*at, "human"), fields["human"], roles) if "human" in fields else ("", "")
    return Line(name, str(group), words, machine, question, role)


def _human(reading: Reading, at: tuple[str, ...], body: object, roles: list[str]) -> tuple[str, str]:
    fields = reading.fields(body, at, ("question", "role"), needed=("question", "role"))
    role = fields.get("role")
    if role is not None and role not in roles:
        advice = f"{did_you_mean(str(role), roles)}roles: {listed(roles)}"
        reading.refuse((*at, "role"), f"unknown role `{role}`", advice)
    return reading.words(fields["question"], (*at, "question")) if "question" in fields else "", str(role or "")
