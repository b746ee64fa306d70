"""A check's verdict follows from what was measured: nothing measured, no number and no limit are never a PASS."""

import math

import pytest

from kpi.checking import Check
from kpi.verdict import Verdict

LIMITS = {"warn": 10.0, "critical": 20.0}


def test_a_check_that_judged_nothing_is_inconclusive() -> None:
    assert Check("empty").status is Verdict.INCONCLUSIVE


@pytest.mark.parametrize(
    ("value", "limits", "above", "verdict"),
    [
        (10.0, LIMITS, True, Verdict.PASS),
        (10.1, LIMITS, True, Verdict.WARN),
        (20.1, LIMITS, True, Verdict.FAIL),
        (99.0, {"warn": 100.0}, False, Verdict.WARN),  # more is better
        (100.0, {"warn": 100.0}, False, Verdict.PASS),
        (math.nan, LIMITS, True, Verdict.INCONCLUSIVE),
        (math.inf, LIMITS, True, Verdict.INCONCLUSIVE),
        (5.0, {}, True, Verdict.INCONCLUSIVE),
    ],
)
def test_limits_decide(value: float, limits: dict[str, float], verdict: Verdict, *, above: bool) -> None:
    check = Check("one")
    check.judge_limits("signal", value, limits, above=above)
    assert check.status is verdict
    assert check.thresholds == {"signal": limits}


def test_the_worst_judgement_is_the_verdict_and_each_issue_is_told() -> None:
    check = Check("one")
    check.judge(True, Verdict.FAIL, "a", "not reported", "")
    check.judge_none(Verdict.WARN, "b", "things", ["x"] * 12, "do")
    assert (check.status, [finding.found for _, finding in check.issues]) == (
        Verdict.WARN,
        [f"12 things: {'; '.join('x' * 10)}; and 2 more"],
    )
