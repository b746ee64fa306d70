"""Exit codes and problems: the table that scripts rely on, and what is generated from it."""

import errno
import re
from pathlib import Path

import pytest

from cutover.core import errors
from cutover.core.errors import ExitCode, Problem, Refused, problem_of
from cutover.core.verdict import Verdict
from tests.checkout import ROOT

# The contract with the outside (docs: exit codes). A change here breaks somebody's script.
TABLE = {
    "DONE": 0, "BUG": 1, "USAGE": 2, "REFUSED": 3, "ROLLED_BACK": 4, "MIXED": 5, "LOCKED": 6, "ON_HOLD": 7,
    "JUDGED_WARN": 8, "JUDGED_FAIL": 9, "JUDGED_UNKNOWN": 10, "INTERRUPTED": 130,
}  # fmt: skip


def test_the_exit_codes_are_those_of_the_contract() -> None:
    assert {code.name: int(code) for code in ExitCode} == TABLE


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("UsageError", 2), ("Refused", 3), ("Unreachable", 3), ("RolledBack", 4), ("MixedFleet", 5), ("Locked", 6),
        ("OnHold", 7), ("JudgedFail", 9), ("Unjudged", 10), ("Interrupted", 130),
    ],
)  # fmt: skip
def test_each_end_has_its_code(name: str, code: int) -> None:
    assert getattr(errors, name).exit_code == code


def test_every_exit_code_has_a_status_of_its_own_and_says_what_to_do_next() -> None:
    assert len({code.status for code in ExitCode}) == len(ExitCode)
    assert [code for code in ExitCode if not (code.meaning and code.symptom and len(code.next) > 10)] == []


def test_no_error_has_its_exit_code_anywhere_else() -> None:
    others = [file for file in (ROOT / "cutover").rglob("*.py") if file != Path(errors.__file__)]
    assert [file for file in others if re.search(r"exit_code = ExitCode", file.read_text())] == []


def test_a_problem_says_where_what_and_what_next() -> None:
    problem = Problem(host="web1", path="disk", found="3 GB free", next="make room")
    assert str(problem) == "web1: disk: 3 GB free\n    next: make room"
    assert str(Problem("no plan", "make one")) == "no plan\n    next: make one"
    assert problem.as_json() == {"host": "web1", "path": "disk", "found": "3 GB free", "next": "make room"}


def test_an_error_shows_all_its_problems() -> None:
    refused = Refused(Problem(f"found {number}", "look") for number in (1, 2))
    assert len(refused.problems) == 2
    assert "found 1" in str(refused)
    assert "found 2" in str(refused)


@pytest.mark.parametrize(
    ("verdict", "code", "passes"),
    [
        (Verdict.PASS, 0, True), (Verdict.WARN, 8, True), (Verdict.FAIL, 9, False),
        (Verdict.INCONCLUSIVE, 10, False), (Verdict.ERROR, 10, False),
    ],
)  # fmt: skip
def test_verdicts_end_judging_commands(verdict: Verdict, code: int, passes: bool) -> None:
    assert (ExitCode.of(verdict), verdict.lets_pass) == (code, passes)


def test_a_full_disk_of_this_machine_is_not_called_a_bug() -> None:
    full = problem_of(OSError(errno.ENOSPC, "No space left on device", "/runs/journal.jsonl"))
    assert (full.path, full.found) == (
        "/runs/journal.jsonl",
        "the machine that runs this command cannot write: No space left on device",
    )
    assert full.next.startswith("make room here")
    assert "bug of ours" in problem_of(ZeroDivisionError("1/0"), "web1").next
