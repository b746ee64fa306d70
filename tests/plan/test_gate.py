"""The gate opens only on what was seen, on every host."""

from typing import Any

import pytest

from cutover.core.step import Step
from cutover.core.verdict import Verdict
from cutover.plan.gate import Finding, decide, judge_outcomes
from cutover.plan.phases import PHASES
from tests.toy import toy_step

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


@pytest.mark.parametrize(
    ("judged", "expected"),
    [([("a", Verdict.PASS)], ["a", "b"]), ([], []), ([], ["a"]), ([("stranger", Verdict.PASS)], ["a"]),
     ([("", Verdict.PASS)], ["a"]), ([("a", Verdict.PASS), ("", Verdict.FAIL)], ["a"])],
)  # fmt: skip
def test_what_was_found_of_others_or_of_nobody_does_not_open_it(
    judged: list[tuple[str, Verdict]], expected: list[str]
) -> None:
    answer = decide(PHASE, [finding(*one) for one in judged], expected)
    assert answer.opens is False
    assert {problem.host for problem in answer.problems} <= {"", *expected}


def step(**more: Any) -> Step:
    desired = {"active": "inactive"}
    return toy_step("shutdown.old", words="stop V1", desired=desired, next="see what it does", **more)


def outcome(**more: Any) -> dict[str, Any]:
    return {
        "id": "shutdown.old",
        "ok": False,
        "error": None,
        "differences": ["active: found active, expected inactive"],
        "seconds": 1.5,
    } | more


def test_a_step_is_judged_by_its_state_afterwards() -> None:
    (passed,) = judge_outcomes("a", [step()], [outcome(ok=True, differences=[])])
    assert (passed.verdict, passed.seconds) == (Verdict.PASS, 1.5)
    (failed,) = judge_outcomes("a", [step()], [outcome(error="it will not")])
    assert (failed.verdict, failed.message, failed.next) == (
        Verdict.FAIL,
        "stop V1: it will not; found active, expected inactive",
        "see what it does",
    )


def test_a_step_that_only_warns_and_one_that_is_left_as_it_is_let_pass_and_say_so() -> None:
    (warned,) = judge_outcomes("a", [step(severity="WARN")], [outcome()])
    (left,) = judge_outcomes("a", [step()], [outcome(error="V1 has written since", left=True)])
    assert warned.verdict is left.verdict is Verdict.WARN
    assert left.message == "stop V1: left unchanged, because V1 has written since"


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
        "stop V1: tape.csv: 17 is outside 0-10; a test fails; it is slow; found active, expected inactive"
    )  # the gravest first, and what says nothing of how grave it is counts as grave
    assert found.next == "look at tape.csv; see what it does"


def test_of_many_causes_the_gravest_are_named_and_the_others_counted() -> None:
    issues = [{"verdict": "WARN", "found": f"warning {number}"} for number in range(7)]
    found = judged({"issues": [*issues, {"verdict": "FAIL", "found": "the cause"}]})
    assert found.message.startswith("stop V1: the cause; warning 0; warning 1; warning 2; warning 3; and 3 more")


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"stderr": "no such file: x.yml\n"}, "printed no document, exit status 9: no such file: x.yml"),
        ({"output": "what is this"}, "printed no document, exit status 9: what is this"),
        ({"end": "deadline passed", "exit_code": "none"}, "printed no document, deadline passed"),
    ],
)
def test_a_program_without_a_document_is_judged_by_its_last_output(more: dict[str, Any], words: str) -> None:
    assert judged(None, **more).message == f"stop V1: {words}; found active, expected inactive"


@pytest.mark.parametrize("issues", [None, "x", [1], [{"next": "x"}], [{"found": ""}], {"found": "x"}])
def test_what_is_no_issue_adds_nothing(issues: Any) -> None:
    assert judged({"issues": issues}).message == "stop V1: found active, expected inactive"
