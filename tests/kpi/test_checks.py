"""A check's verdict follows from what was measured: nothing measured, no number and no limit are never a PASS."""

import math

import pytest

from kpi.checking import Check
from kpi.verdict import Verdict

LIMITS = {"warn": 10.0, "critical": 20.0}


def test_a_check_that_judged_nothing_is_inconclusive() -> None:
    assert Check("empty").status is Verdict.INCONCLUSIVE


@pytest.mark.parametrize(
    ("value", "limits", "verdict"),
    [
        (10.0, LIMITS, Verdict.PASS),
        (10.1, LIMITS, Verdict.WARN),
        (20.1, LIMITS, Verdict.FAIL),
        (math.nan, LIMITS, Verdict.INCONCLUSIVE),
        (math.inf, LIMITS, Verdict.INCONCLUSIVE),
        (5.0, {}, Verdict.INCONCLUSIVE),
    ],
)
def test_limits_decide(value: float, limits: dict[str, float], verdict: Verdict) -> None:
    check = Check("one")
    check.judge_limits("signal", value, limits)
    assert check.status is verdict
    assert check.thresholds == {"signal": limits}


def test_below_a_limit_is_as_bad_where_more_is_better() -> None:
    check = Check("one")
    check.judge_limits("throughput", 99.0, {"warn": 100.0}, above=False)
    check.judge_limits("throughput", 100.0, {"warn": 100.0}, above=False)
    assert check.verdicts == [Verdict.WARN, Verdict.PASS]
    assert [finding.code for _, finding in check.issues] == ["throughput_warn"]


def test_the_worst_judgement_is_the_verdict_and_each_issue_is_told() -> None:
    check = Check("one")
    check.judge(True, Verdict.FAIL, "a", "not reported", "")
    check.judge_none(Verdict.WARN, "b", "things", ["x"] * 12, "do")
    assert (check.status, [finding.found for _, finding in check.issues]) == (
        Verdict.WARN,
        [f"12 things: {'; '.join('x' * 10)}; and 2 more"],
    )
