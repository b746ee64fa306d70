"""The gate opens only on what was seen, on every host."""

from typing import Any

import pytest

from cutover.core.step import Step
from cutover.core.verdict import Verdict
from cutover.plan.gate import Finding, decide, judge_outcomes
from cutover.plan.phases import PHASES

PHASE = PHASES[3]


def finding(host: str, verdict: Verdict) -> Finding:
    return Finding(host, "shutdown.old", verdict, "V1 is stopped", "look")


@pytest.mark.parametrize(
    ("verdict", "opens"),
    [
        (Verdict.PASS, True),
        (Verdict.WARN, True),
        (Verdict.FAIL, False),
        (Verdict.INCONCLUSIVE, False),
        (Verdict.ERROR, False),
    ],
)
def test_only_pass_and_warn_open_it(verdict: Verdict, opens: bool) -> None:
    answer = decide(PHASE, [finding("a", Verdict.PASS), finding("b", verdict)], ["a", "b"])
    assert (answer.opens, answer.verdict) == (opens, verdict)
    assert [problem.host for problem in answer.problems] == ([] if opens else ["b"])
    assert len(answer.findings) == (0 if verdict is Verdict.PASS else 1)  # a warning stays visible


def test_a_silent_host_keeps_it_shut() -> None:
    answer = decide(PHASE, [finding("a", Verdict.PASS)], ["a", "b"])
    assert (answer.opens, answer.verdict, answer.problems[0].host) == (False, Verdict.INCONCLUSIVE, "b")


def test_nothing_at_all_keeps_it_shut() -> None:
    assert decide(PHASE, [], []).opens is False
    assert decide(PHASE, [], ["a"]).opens is False


def test_what_was_found_on_another_host_does_not_speak_for_the_expected_one() -> None:
    assert decide(PHASE, [finding("stranger", Verdict.PASS)], ["a"]).opens is False


def test_what_was_found_of_no_host_can_shut_it_but_not_open_it() -> None:
    assert decide(PHASE, [finding("", Verdict.PASS)], ["a"]).opens is False
    assert decide(PHASE, [finding("a", Verdict.PASS), finding("", Verdict.FAIL)], ["a"]).opens is False


def test_every_problem_is_told() -> None:
    answer = decide(PHASE, [finding("a", Verdict.FAIL), finding("b", Verdict.ERROR)], ["a", "b", "c"])
    assert [problem.host for problem in answer.problems] == ["a", "b", "c"]
    assert all(problem.next for problem in answer.problems)


def step(**more: Any) -> Step:
    return Step(
        id="shutdown.old",
        kind="unit",
        words="stop V1",
        args={},
        desired={"active": "inactive"},
        next="see what it does",
        **more,
    )


def outcome(**more: Any) -> dict[str, Any]:
    return {
        "id": "shutdown.old",
        "ok": False,
        "error": None,
        "differences": ["active is «active»"],
        "seconds": 1.5,
    } | more


def test_a_step_is_judged_by_its_second_look() -> None:
    (passed,) = judge_outcomes("a", [step()], [outcome(ok=True, differences=[])])
    assert (passed.verdict, passed.seconds) == (Verdict.PASS, 1.5)
    (failed,) = judge_outcomes("a", [step()], [outcome(error="it will not")])
    assert (failed.verdict, failed.message, failed.next) == (
        Verdict.FAIL,
        "stop V1: it will not; active is «active»",
        "see what it does",
    )


def test_a_step_that_only_warns_warns() -> None:
    (warned,) = judge_outcomes("a", [step(severity="WARN")], [outcome()])
    assert warned.verdict is Verdict.WARN


def test_what_is_left_as_it_is_lets_pass_and_says_so() -> None:
    (left,) = judge_outcomes("a", [step()], [outcome(error="V1 has written since", left=True)])
    assert (left.verdict, left.verdict.lets_pass) == (Verdict.WARN, True)
    assert left.message == "stop V1: left as it is, because V1 has written since"


@pytest.mark.parametrize("severity", ["FAIL", "WARN"])
def test_a_step_that_was_not_run_is_inconclusive_whatever_its_severity(severity: str) -> None:
    (missing,) = judge_outcomes("a", [step(severity=severity)], [outcome(id="another", ok=True)])
    assert missing.verdict is Verdict.INCONCLUSIVE


def judged(document: Any, **more: Any) -> Finding:
    """The finding of a program of the release that printed this."""
    said = {"ran": True, "end": "exited", "exit_code": 9, "document": document, "output": "", "stderr": ""} | more
    (found,) = judge_outcomes("a", [step()], [outcome(after=said)])
    return found


def test_what_the_document_says_of_causes_is_in_the_message_and_in_what_to_do_next() -> None:
    issues = [
        {"verdict": "WARN", "found": "it is slow"},
        {"verdict": "FAIL", "where": "tape.csv", "found": "17 is outside 0-10", "next": "look at tape.csv"},
        {"found": "a test fails"},
    ]
    found = judged({"issues": issues})
    assert found.message == (
        "stop V1: tape.csv: 17 is outside 0-10; a test fails; it is slow; active is «active»"
    )  # the gravest first, and what says nothing of how grave it is counts as grave
    assert found.next == "look at tape.csv; see what it does"


def test_of_many_causes_the_gravest_are_told_and_the_others_counted() -> None:
    issues = [{"verdict": "WARN", "found": f"warning {number}"} for number in range(7)]
    found = judged({"issues": [*issues, {"verdict": "FAIL", "found": "the cause"}]})
    assert found.message.startswith("stop V1: the cause; warning 0; warning 1; warning 2; warning 3; and 3 more")


def test_a_probe_of_the_same_result_names_the_causes_too() -> None:
    said = {"ran": True, "document": {"issues": [{"verdict": "WARN", "found": "it is slow", "next": "wait"}]}}
    (found,) = judge_outcomes("a", [step(severity="WARN")], [outcome(after=said)])
    assert (found.verdict, found.next) == (Verdict.WARN, "wait; see what it does")
    assert "it is slow" in found.message


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"stderr": "no such file: x.yml\n"}, "it gave no document, ended with 9: no such file: x.yml"),
        ({"output": "what is this"}, "it gave no document, ended with 9: what is this"),
        ({"end": "deadline passed", "exit_code": "none"}, "it gave no document, deadline passed"),
    ],
)
def test_a_program_without_a_document_is_told_by_its_last_words(more: dict[str, Any], words: str) -> None:
    assert judged(None, **more).message == f"stop V1: {words}; active is «active»"


@pytest.mark.parametrize("issues", [None, "x", [1], [{"next": "x"}], [{"found": ""}], {"found": "x"}])
def test_what_is_no_issue_adds_nothing(issues: Any) -> None:
    assert judged({"issues": issues}).message == "stop V1: active is «active»"
