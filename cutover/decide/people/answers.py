"""What people answered: a file of --answers, read and checked as a whole."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cutover.decide.people.checklist import Checklist
from cutover.decide.people.reading import Reading
from cutover.decide.suggest import did_you_mean, listed
from cutover.decide.valuetypes import named
from cutover.decide.yamlfile import read
from cutover.words.errors import Problem, UsageError

Source = Literal["terminal", "file"]


@dataclass(frozen=True)
class Answer:
    """A person's answer to a line: yes or no, by whom (a name, never a login), when (UTC), and how it came here."""

    yes: bool
    by: str
    at: str
    source: Source
    note: str = ""


def answers(path: Path, known: Checklist, at: str) -> dict[str, Answer]:
    """The answers in a file, by line: `id: {answer: yes, by: NAME, note: ...}`; UsageError with all that is wrong."""
    problems: list[Problem] = []
    document = read(path, problems)
    if document is None:
        raise UsageError(problems)
    reading = Reading(lambda keys: document.where(*keys), problems)
    human = [line.id for line in known.human]
    machine = [line.id for line in known.lines if not line.human]
    given: dict[str, Answer] = {}
    for name, body in reading.entries(document.value).items():
        if name in machine:
            reading.refuse((name,), f"`{name}` is proven by what the hosts show", "remove it; nobody answers it")
        elif name not in human:
            advice = f"{did_you_mean(name, human)}a person answers {listed(human)}"
            reading.refuse((name,), f"the checklist has no line `{name}`", advice)
        else:
            given[name] = _answer(reading, name, body, at)
    if problems:
        raise UsageError(problems)
    return given


def _answer(reading: Reading, name: str, body: object, at: str) -> Answer:
    fields: Mapping[str, object] = reading.fields(body, (name,), ("answer", "by", "note"), needed=("answer", "by"))
    said = fields.get("answer", True)
    if not isinstance(said, bool):
        reading.refuse((name, "answer"), f"is {named(said)}", "answer yes or no")
    by = reading.words(fields["by"], (name, "by")) if "by" in fields else ""
    note = fields.get("note", "")
    if not isinstance(note, str):
        reading.refuse((name, "note"), f"is {named(note)}, not text", "put it in quotes, or leave it away")
    return Answer(said is True, by, at, "file", str(note).strip())
