"""The go / no-go poll: who answers, what nobody answers for anybody, and what is found before any host is changed."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from cutover.core.errors import Refused, UsageError
from cutover.core.verdict import Verdict
from cutover.journal.journal import Journal
from cutover.notify.escalation import TeamRole
from cutover.plan.gate import Finding
from cutover.run.checklist import ChecklistAnswer, Polling, checklist

NOW = "2026-01-02T03:04:05.000Z"
ROLES = {"on_call": TeamRole(title="On-call"), "lead": TeamRole(title="Lead", names=("Bo",))}
TEXT = """
lines:
  step: {group: infrastructure, words: the step holds, machine: [preflight.step]}
  clock: {group: infrastructure, words: clocks agree, machine: ["preflight.clock*", preflight.check]}
  there: {group: team, words: on call, human: {question: "Are you there?", role: on_call}}
  awake: {group: team, words: awake, human: {question: "Are you awake?", role: on_call}}
  read: {group: team, words: read, human: {question: "Have you read it?", role: lead}}
"""
YES = ChecklistAnswer(True, "Ana", NOW, "file")
NO = ChecklistAnswer(False, "Bo", NOW, "file", "the runbook is missing")
ALL = {"there": YES, "awake": YES, "read": YES}


@pytest.fixture
def poll(tmp_path: Path) -> Polling:
    (tmp_path / "checklist.yml").write_text(TEXT)
    return Polling(checklist(tmp_path / "checklist.yml", ROLES), ROLES, "required", {})


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal(tmp_path / "journal.jsonl")
    yield journal
    journal.close()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, list[str]]]:
    """Who is asked what on the terminal; each answers with what ALL has."""
    asked: list[tuple[str, list[str]]] = []

    def ask(role: TeamRole, questions: Mapping[str, str]) -> Mapping[str, ChecklistAnswer]:
        asked.append((role.title, list(questions)))
        return {name: ALL[name] for name in questions}

    monkeypatch.setattr("cutover.run.checklist.ask_on_terminal", ask)
    return asked


def found(host: str, name: str, verdict: Verdict = Verdict.PASS, message: str = "it is so") -> Finding:
    return Finding(host, f"preflight.{name}", verdict, message)


def test_all_answered_is_a_go_and_recorded_by_name(poll: Polling, journal: Journal) -> None:
    replace(poll, given=ALL).people(journal)
    (record,) = journal.of("poll")
    assert (record.data["part"], record.data["go"], record.data["verdict"]) == ("people", True, "PASS")
    said = {line["id"]: (line["answer"], line["by"], line["at"], line["from"]) for line in record.data["lines"]}
    assert said == dict.fromkeys(ALL, ("yes", "Ana", NOW, "file"))


def test_every_line_that_nobody_answers_is_named_before_anything_begins(poll: Polling, journal: Journal) -> None:
    with pytest.raises(UsageError) as caught:
        replace(poll, given={"there": YES}).people(journal)
    assert [problem.path for problem in caught.value.problems] == ["checklist: awake", "checklist: read"]
    assert all("--answers" in problem.next for problem in caught.value.problems)
    assert [line["verdict"] for line in journal.of("poll")[0].data["lines"]] == ["PASS", "INCONCLUSIVE", "INCONCLUSIVE"]


def test_where_answers_are_only_shown_open_lines_stay_inconclusive_and_the_run_goes_on(
    poll: Polling, journal: Journal
) -> None:
    replace(poll, mode="shown").people(journal)
    (record,) = journal.of("poll")
    assert (record.data["go"], record.data["verdict"]) == (True, "INCONCLUSIVE")


@pytest.mark.parametrize("mode", ["required", "shown"])
def test_a_no_is_a_no_go_whatever_is_required(poll: Polling, journal: Journal, mode: str) -> None:
    with pytest.raises(Refused) as caught:
        replace(poll, mode=mode, given={**ALL, "read": NO}).people(journal)  # type: ignore[arg-type]  # one of the two
    (problem,) = caught.value.problems
    assert "no, says Bo: the runbook is missing" in problem.found
    assert not journal.of("poll")[0].data["go"]


def test_who_holds_a_role_is_asked_once_for_all_its_open_lines_and_a_no_again(
    poll: Polling, journal: Journal, asked: list[tuple[str, list[str]]]
) -> None:
    with pytest.raises(Refused):
        replace(poll, mode="shown", given={"read": NO}).people(journal)
    replace(poll, given={"there": YES}, terminal=True).people(journal)
    assert asked == [("On-call", ["awake"]), ("Lead", ["read"])]
    replace(poll, terminal=True).people(journal)
    assert len(asked) == 2


def test_phase_0_proves_the_other_lines(poll: Polling, journal: Journal) -> None:
    replace(poll, given=ALL).people(journal)
    clock = found("web1", "clock", Verdict.WARN, "the clock is kept by nobody")
    poll.machines(journal, [found("web1", "step"), found("web1", "check"), clock])
    whole = journal.of("poll")[-1].data
    judged = [(line["id"], line["verdict"]) for line in whole["lines"]]
    assert judged == [("step", "PASS"), ("clock", "WARN"), *((name, "PASS") for name in ALL)]
    assert "web1: the clock is kept by nobody" in whole["lines"][1]["found"]
    assert whole["part"] == "all"


@pytest.mark.parametrize("mode", ["required", "shown"])
def test_a_pattern_under_which_nothing_was_found_proves_nothing(poll: Polling, journal: Journal, mode: str) -> None:
    replace(poll, given=ALL).people(journal)
    with pytest.raises(Refused) as caught:
        replace(poll, mode=mode).machines(journal, [found("web1", "step"), found("web1", "check")])  # type: ignore[arg-type]  # one of the two
    (problem,) = caught.value.problems
    assert problem.path == "checklist: clock"
    assert "nothing was found under preflight.clock*" in problem.found


def test_the_worst_host_decides_a_line(poll: Polling, journal: Journal) -> None:
    clocks = [found("web1", "clock", Verdict.WARN), found("web2", "clock", Verdict.ERROR, "could not be measured")]
    with pytest.raises(Refused) as caught:
        replace(poll, given=ALL).machines(journal, [found("web1", "step"), found("web1", "check"), *clocks])
    (problem,) = caught.value.problems
    assert "web2: could not be measured" in problem.found
    assert [line["verdict"] for line in journal.of("poll")[-1].data["lines"]][:2] == ["PASS", "ERROR"]
