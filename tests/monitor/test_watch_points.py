"""When rows are recorded, and what a decision point answers."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutover.core.samples import Judgement
from cutover.core.verdict import Verdict
from cutover.monitor.rules.points import History, judge_point
from cutover.monitor.rules.rulebook import DecisionPoint
from tests.monitor.watch_samples import HOST, shipped
from tests.monitor.watches import SEEDS

H = 3600.0
METRICS: dict[str, float | None] = {
    "latency_ms": 20.0, "error_rate": 0.0, "memory_mb": 46.0, "cpu_percent": 2.0, "kpis.PAR30": 2.0, "error_rate_of_all": 0.0,
}  # fmt: skip


@given(st.lists(st.floats(0.0, 24 * H), min_size=0, max_size=30))
def test_however_a_watch_is_cut_into_pieces_each_row_comes_once(cuts: list[float]) -> None:
    moments = [0.0, *sorted(cuts), 24 * H]
    found = [row for after, until in pairwise(moments) for row in SEEDS.between(after, until)]
    assert len(found) == 18
    assert found == sorted(set(found))


def point(name: str) -> DecisionPoint:
    return next(one for one in shipped().points if one.name == name)


def said(verdict: Verdict, rule: str = "memory", **more: Any) -> Judgement:
    return Judgement(HOST, rule, verdict, "words", "next", **more)


def stands(*judgements: Judgement, **more: Any) -> dict[str, History]:
    given = {"metrics": METRICS, "marks": {"hour_1": METRICS}, **more}
    return {HOST: History(judgements or (said(Verdict.PASS),), **given)}


@pytest.mark.parametrize("name", ["hour_1", "hour_8", "hour_24", "day_7", "day_28"])
def test_a_watch_goes_on_when_all_passed(name: str) -> None:
    answer = judge_point(point(name), stands(), shipped())
    assert (answer.decision, answer.verdict, answer.reasons) == ("go_on", Verdict.PASS, ())


@pytest.mark.parametrize(
    ("name", "decision"),
    [("hour_1", "hold"), ("hour_8", "hold"), ("hour_24", "extend"), ("day_7", "hold"), ("day_28", "hold")],
)
@pytest.mark.parametrize("verdict", [Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.ERROR])
def test_what_failed_or_is_unknown_does_not_go_on(name: str, decision: str, verdict: Verdict) -> None:
    answer = judge_point(point(name), stands(said(verdict)), shipped())
    assert (answer.decision, answer.verdict) == (decision, verdict)
    assert [(one.host, one.rule, one.words, one.next) for one in answer.reasons] == [(HOST, "memory", "words", "next")]
    assert answer.by == (6 * H if decision == "extend" else 0.0)
    assert answer.as_json()["reasons"][0]["verdict"] == str(verdict)


def test_a_warning_is_visible_and_goes_on_unless_its_rule_holds() -> None:
    warned = judge_point(point("hour_1"), stands(said(Verdict.WARN)), shipped())
    assert (warned.decision, warned.verdict) == ("go_on", Verdict.WARN)
    drifted = judge_point(point("hour_1"), stands(said(Verdict.WARN, "kpi_drift_since_baseline")), shipped())
    assert (drifted.decision, drifted.verdict) == ("hold", Verdict.WARN)


def test_a_failure_between_two_points_holds_until_it_was_decided_on() -> None:
    history = stands()[HOST]
    history.take([said(Verdict.FAIL), said(Verdict.WARN, "cpu")])
    answer = judge_point(point("hour_8"), {HOST: history}, shipped())
    assert (answer.decision, [one.rule for one in answer.reasons]) == ("hold", ["memory"])
    assert answer.reasons[0].words.startswith("failed since the last decision")
    history.decided()
    assert judge_point(point("hour_8"), {HOST: history}, shipped()).decision == "go_on"


def test_a_row_that_failed_and_was_decided_on_is_not_asked_again_until_it_fails_anew() -> None:
    """What rows say stands until the next row, so the looks in between say it again."""
    history, failed = History(), said(Verdict.FAIL, "validation")
    history.take([failed])
    history.decided()
    history.take([failed])
    assert history.failed == {}
    history.take([said(Verdict.PASS, "validation")])
    history.take([failed])
    assert history.failed == {"validation": failed}


def test_no_host_and_no_row_are_unknown() -> None:
    assert judge_point(point("hour_1"), {}, shipped()).decision == "hold"
    answer = judge_point(point("hour_1"), {HOST: History()}, shipped())
    assert (answer.decision, answer.verdict) == ("hold", Verdict.INCONCLUSIVE)


def test_one_host_of_several_holds_all() -> None:
    hosts = {**stands(), "web2": stands(replace(said(Verdict.FAIL), host="web2"))[HOST]}
    answer = judge_point(point("hour_1"), hosts, shipped())
    assert (answer.decision, [one.host for one in answer.reasons]) == ("hold", ["web2"])


@pytest.mark.parametrize(
    ("metric", "then", "now", "holds"),
    [
        ("memory_mb", 400.0, 420.0, False),  # 5 %: on the limit
        ("memory_mb", 400.0, 420.1, True),
        ("memory_mb", 400.0, 379.9, True),  # less is another service as well
        ("memory_mb", 46.0, 56.0, False),  # 22 %, and no more than the floor
        ("memory_mb", 46.0, 56.1, True),
        ("kpis.PAR30", 10.0, 10.51, True),
        ("kpis.PAR30", 10.0, 10.49, False),
        ("latency_ms", 20.0, 24.9, False),
        ("latency_ms", 200.0, 211.0, True),
    ],
)
def test_hour_8_is_as_hour_1(metric: str, then: float, now: float, holds: bool) -> None:
    standing = stands(metrics={**METRICS, metric: now}, marks={"hour_1": {**METRICS, metric: then}})
    answer = judge_point(point("hour_8"), standing, shipped())
    assert [one.rule for one in answer.reasons] == ([metric] if holds else [])
    assert judge_point(point("hour_24"), standing, shipped()).decision == "go_on"


def test_a_metric_that_is_not_known_at_one_of_the_two_holds() -> None:
    for standing in (
        stands(metrics={**METRICS, "memory_mb": None}),
        stands(marks={"hour_1": {**METRICS, "memory_mb": None}}),
        stands(metrics={name: value for name, value in METRICS.items() if name != "kpis.PAR30"}),
    ):
        answer = judge_point(point("hour_8"), standing, shipped())
        assert (answer.decision, answer.verdict) == ("hold", Verdict.INCONCLUSIVE)
    assert len(judge_point(point("hour_8"), stands(marks={}), shipped()).reasons) == 5


@pytest.mark.parametrize(("rate", "decision"), [(0.0009, "go_on"), (0.001, "hold"), (None, "hold")])
def test_day_7_needs_a_low_error_rate(rate: float | None, decision: str) -> None:
    standing = stands(metrics={**METRICS, "error_rate_of_all": rate})
    assert judge_point(point("day_7"), standing, shipped()).decision == decision
