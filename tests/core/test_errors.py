"""Exit codes and problems: the table that scripts rely on."""

import pytest

from cutover.core import errors
from cutover.core.errors import CutoverError, ExitCode, Problem, Refused
from cutover.core.verdict import Verdict

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
        ("OnHold", 7), ("Interrupted", 130),
    ],
)  # fmt: skip
def test_each_end_has_its_code(name: str, code: int) -> None:
    assert getattr(errors, name).exit_code == code


def test_every_error_of_the_tree_is_drawn_in_it() -> None:
    ours = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, CutoverError)]
    assert [each.__name__ for each in ours if each.__name__ not in (errors.__doc__ or "")] == []


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
    assert (verdict.exit_code, verdict.lets_pass) == (code, passes)
