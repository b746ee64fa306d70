"""The checklist and the file of answers: the real one holds together, and a slip is named with all others."""

from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from cutover.core.errors import Problem, UsageError
from cutover.plan.roles import steps_of
from cutover.run.checklist import FILE, Checklist, answers, checklist
from tests.checkout import ROOT
from tests.notify.peopling import known
from tests.roles.exampled import role_for

NOW = "2026-01-02T03:04:05.000Z"
ROLES = ("on_call", "operations_lead")
SMALL = """
lines:
  disk: {group: infrastructure, words: there is room, machine: ["preflight.disk-*"]}
  on-call: {group: team, words: on call, human: {question: "Are you there?", role: on_call}}
  read: {group: team, words: read, human: {question: "Have you read it?", role: operations_lead}}
"""


def small(directory: Path, text: str = SMALL) -> Checklist:
    path = directory / "checklist.yml"
    path.write_text(text)
    return checklist(path, ROLES)


def reported(problems: tuple[Problem, ...]) -> list[str]:
    assert all(problem.next for problem in problems)
    return [f"{problem.path.rpartition('/')[2]}: {problem.found}" for problem in problems]


def test_every_finding_of_phase_0_proves_a_line_of_the_checklist_and_every_pattern_meets_one() -> None:
    role, lines = role_for(), checklist(ROOT / "roles" / "standard" / FILE, known().roles).lines.values()
    assert {(line.group == "infrastructure", line.human is None) for line in lines} == {(True, True), (False, False)}
    bound = [
        f"preflight.since-plan.{fact.id}" for fact in steps_of(role, "preflight", "facts") if fact.args.get("bind")
    ]
    names = [*bound, *(step.id for step in steps_of(role, "preflight"))]
    patterns = [pattern for line in lines for pattern in line.machine or ()]
    assert [one for one in patterns if not any(fnmatchcase(name, one) for name in names)] == []
    assert [name for name in names if not any(fnmatchcase(name, one) for one in patterns)] == []


def test_everything_wrong_with_a_checklist_comes_at_once(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        small(
            tmp_path,
            """
lines:
  both: {group: team, words: x, machine: [a], human: {question: "?", role: on_call}}
  neither: {group: team, words: x}
  group: {group: taem, words: "", machine: []}
  human: {group: team, words: x, human: {question: 5, role: oncall}}
  key: {group: team, word: x, human: {role: on_call}}
more: 1
""",
        )
    assert reported(caught.value.problems) == [
        "checklist.yml:3: lines.both: has both `machine` and `human`",
        "checklist.yml:4: lines.neither: has neither `machine` nor `human`",
        "checklist.yml:5: lines.group.group: unknown group `taem`",
        "checklist.yml:5: lines.group.words: is empty",
        "checklist.yml:6: lines.human.human.question: expected text, found the number 5",
        "checklist.yml:6: lines.human.human.role: unknown role `oncall`",
        "checklist.yml:7: lines.key.words: `words` is missing",
        "checklist.yml:7: lines.key.human.question: `question` is missing",
        "checklist.yml:7: lines.key.word: unknown key `word`",
        "checklist.yml:8: more: unknown key `more`",
    ]


@pytest.mark.parametrize(
    ("text", "found"),
    [(SMALL.replace('["preflight.disk-*"]', "[]"), "names no finding"), ("lines: {}\n", "lines")],
)
def test_a_checklist_that_asks_nothing_is_refused(tmp_path: Path, text: str, found: str) -> None:
    with pytest.raises(UsageError, match=found):
        small(tmp_path, text)


def test_answers_are_read_with_who_gave_them(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        answers(tmp_path / "none.yml", small(tmp_path), NOW)
    (tmp_path / "answers.yml").write_text(
        "on-call: {answer: yes, by: Ana Example}\nread: {answer: no, by: Bo, note: not yet}\n"
    )
    given = answers(tmp_path / "answers.yml", small(tmp_path), NOW)
    assert {name: (one.yes, one.by, one.note, one.source, one.at) for name, one in given.items()} == {
        "on-call": (True, "Ana Example", "", "file", NOW),
        "read": (False, "Bo", "not yet", "file", NOW),
    }


def test_everything_wrong_with_answers_comes_at_once(tmp_path: Path) -> None:
    text = """
on-cal: {answer: yes, by: Ana}
disk: {answer: yes, by: Ana}
on-call: {answer: maybe, by: " "}
read: {answer: yes, nte: x}
"""
    (tmp_path / "answers.yml").write_text(text)
    with pytest.raises(UsageError) as caught:
        answers(tmp_path / "answers.yml", small(tmp_path), NOW)
    assert reported(caught.value.problems) == [
        "answers.yml:2: on-cal: the checklist has no line `on-cal`",
        "answers.yml:3: disk: `disk` is proven by what the hosts show",
        'answers.yml:4: on-call.answer: expected true or false, found text "maybe"',
        "answers.yml:4: on-call.by: is empty",
        "answers.yml:5: read.by: `by` is missing",
        "answers.yml:5: read.nte: unknown key `nte`",
    ]
