"""Each rule that is shipped: just below its limit, on it, above it, for long enough and not, unknown, missing."""

from dataclasses import replace
from typing import Any

import pytest

from cutover.core.samples import Judgement, Sample
from cutover.core.verdict import Verdict
from cutover.monitor.rules.judge import HostJudge
from cutover.monitor.rules.rulebook import SAMPLES, paced
from tests.monitor.watch_samples import HOST, shipped, watched
from tests.monitor.watches import BEGAN, HOUR, healthy

PASS, WARN, FAIL, INCONCLUSIVE = Verdict.PASS, Verdict.WARN, Verdict.FAIL, Verdict.INCONCLUSIVE


def test_a_service_that_is_well_passes_every_rule_once_windows_are_full() -> None:
    host = watched(241)
    host.see(row=True)
    assert {rule: one.verdict for rule, one in host.last.items() if one.verdict is not PASS} == {}
    assert [one.rule for one in host.last.values()] == [rule.name for rule in shipped().rules]
    assert {one.host for one in host.last.values()} == {HOST}


def test_at_the_first_look_what_needs_events_is_inconclusive_and_not_passed() -> None:
    first = watched(1).last
    unknown = {"latency", "error_rate", "error_burst", "error_rate_long", "errors_per_hour", "quarantined_rows"}
    unknown |= {"memory_growth", "cpu", "audit_events_per_hour", "kpi_drift", "kpi_drift_since_baseline"}
    assert {rule for rule, one in first.items() if one.verdict is INCONCLUSIVE} == unknown
    assert not [one for one in first.values() if one.verdict in (WARN, FAIL)]


AT_ONCE: list[tuple[str, str, Any, Any, Verdict, bool]] = [
    # rule, what is changed, the last value that is good, the first that is not, the verdict on that, does it roll back
    ("tape_at_hand", "figures.latency.at_hand_s", 60.0, 60.1, FAIL, True),
    ("late_tape", "figures.latency.waiting_s", 60.0, 60.1, WARN, False),
    ("memory", "resources.memory_mb", 200.0, 200.1, WARN, False),
    ("audit_silence", "figures.audit.silence_s", 3600.0, 3600.1, WARN, False),
]


@pytest.mark.parametrize(("rule", "path", "good", "bad", "verdict", "rolls_back"), AT_ONCE)
def test_a_limit_is_passed_by_what_is_above_it(
    rule: str, path: str, good: Any, bad: Any, verdict: Verdict, rolls_back: bool
) -> None:
    host, name = watched(), path.replace(".", "__")
    on_it = host.see(**{name: good})[rule]
    assert (on_it.verdict, on_it.level, on_it.rolls_back, on_it.next) == (PASS, "", False, "")
    above = host.see(**{name: bad})[rule]
    assert (above.verdict, above.rolls_back, above.pending) == (verdict, rolls_back, False)
    assert above.next


TWICE = [
    ("audit_chain", "figures.audit.problems", ["record 3 does not follow record 2"]),
    ("tape_lost", "figures.stock.lost_count", 1),
    ("tape_doubled", "figures.stock.doubled_count", 1),
]


@pytest.mark.parametrize(("rule", "path", "bad"), TWICE)
def test_what_cannot_be_undone_rolls_back_once_two_looks_have_seen_it(rule: str, path: str, bad: Any) -> None:
    host, name = watched(), path.replace(".", "__")
    first = host.see(**{name: bad})[rule]
    assert (first.verdict, first.pending, first.level, first.rolls_back) == (PASS, True, "rollback", False)
    assert "so for 0s of 15s now" in first.words
    second = host.see(**{name: bad})[rule]
    assert (second.verdict, second.pending, second.rolls_back) == (FAIL, False, True)


def test_a_break_that_is_gone_with_the_next_look_was_none() -> None:
    host = watched()
    host.see(figures__stock__lost_count=1)
    assert host.see()["tape_lost"].verdict is PASS
    assert host.see(figures__stock__lost_count=1)["tape_lost"].pending


@pytest.mark.parametrize(
    ("rule", "changes", "before", "seconds"),
    [
        ("running", {"unit__active": "failed"}, PASS, 30),
        ("ready", {"health__status": 503}, PASS, 60),
        ("memory", {"resources__memory_mb": 501.0}, WARN, 600),
        ("outputs", {"figures__outputs__missing": ["csv"]}, PASS, 30),
        ("outputs", {"figures__outputs__stale": ["csv"]}, PASS, 30),
    ],
)
def test_a_level_holds_after_its_time_and_not_one_look_earlier(
    rule: str, changes: dict[str, Any], before: Verdict, seconds: int
) -> None:
    host, looks = watched(), seconds // 15
    assert [host.see(**changes)[rule].verdict for _ in range(looks + 1)] == [before] * looks + [FAIL]


def test_a_look_that_fails_does_not_break_a_hold_time_and_a_gap_does() -> None:
    host = watched()
    for _ in range(38):
        host.see(resources__memory_mb=501.0)
    assert host.see(error="not reached")["memory"].verdict is INCONCLUSIVE
    assert host.see(resources__memory_mb=501.0)["memory"].pending
    assert host.see(resources__memory_mb=501.0)["memory"].verdict is FAIL
    host.skipped += 61.0  # 76 s from look to look: the controller slept
    after = host.see(resources__memory_mb=501.0)["memory"]
    assert (after.verdict, after.pending, after.level) == (WARN, True, "critical")


def test_a_look_that_fails_is_a_finding_and_four_in_a_row_are_a_failure() -> None:
    host = watched()
    said = [host.see(error="timed out")["seen"] for _ in range(4)]
    assert [one.verdict for one in said] == [WARN, WARN, WARN, FAIL]
    assert said[3].words.startswith("4 samples in a row failed: timed out")
    assert host.last["latency"].verdict is INCONCLUSIVE
    assert host.see()["seen"].verdict is PASS


def test_a_figure_that_is_null_is_inconclusive_and_after_four_looks_a_failure() -> None:
    host = watched()
    said = [host.see(figures__tapes=None, figures__latency__count=None) for _ in range(4)]
    for rule in ("latency", "error_rate", "errors_per_hour", "tapes_without_audit"):
        assert [one[rule].verdict for one in said] == [INCONCLUSIVE] * 3 + [FAIL]
        assert not said[3][rule].rolls_back
        assert "could not be measured" in said[3][rule].words
    assert host.last["memory"].verdict is PASS
    assert host.see()["error_rate"].verdict is PASS


@pytest.mark.parametrize("odd", [float("nan"), float("inf"), "46", True, None, [46], 10**400, -(10**400)])
def test_what_is_no_number_was_not_measured(odd: Any) -> None:
    assert watched().see(resources__memory_mb=odd)["memory"].verdict is INCONCLUSIVE
    assert watched().see(figures=odd)["audit_chain"].verdict is INCONCLUSIVE


def test_only_triggers_roll_back() -> None:
    """M13: error rate, data, audit trail, crash loop, latency; and nothing else."""
    triggers = {rule.name for rule in shipped().rules if any(one.level == "rollback" for one in rule.limits)}
    assert triggers == {
        "latency", "tape_at_hand", "standstill", "error_rate", "error_burst", "error_rate_long", "crash_loop", "audit_chain",
        "audit_cut", "tapes_without_audit", "tape_lost", "tape_doubled",
    }  # fmt: skip


# Rules fitted to how often a watch samples: windows hold enough samples, and what is counted stands for the rule's own window.

DAY = 24 * HOUR


def judged(rule: str, look_s: float, errors_a_look: int, restarts_a_look: int = 0) -> Judgement:
    """What a rule says after a dozen looks so far apart."""
    judge = HostJudge(paced(shipped(), look_s), "web1", look_s)
    said: dict[str, Judgement] = {}
    for number in range(12):
        t = number * look_s
        documents = healthy(t)
        documents["figures"]["tapes"]["failed"] = number * errors_a_look
        documents["unit"]["restarts"] = number * restarts_a_look
        said = {one.rule: one for one in judge.take(Sample("web1", BEGAN + t, t, documents, row=True))}
    return said[rule]


def test_a_window_holds_enough_looks_however_far_apart_they_are() -> None:
    assert paced(shipped(), 1.0).rules == tuple(
        replace(rule, signal=replace(rule.signal, slack=1.1 if rule.signal.window else 0.0)) for rule in shipped().rules
    )
    for rule in paced(shipped(), DAY).rules:
        assert rule.signal.window == 0.0 or rule.signal.window >= SAMPLES * DAY


def test_errors_of_days_are_not_taken_for_errors_of_an_hour() -> None:
    few, many = judged("errors_per_hour", DAY, errors_a_look=24), judged("errors_per_hour", DAY, errors_a_look=24 * 6)
    assert (str(few.verdict), str(many.verdict)) == ("PASS", "WARN")
    assert few.value is not None
    assert 0.8 < few.value <= 1.0


def test_a_restart_a_day_is_no_crash_loop() -> None:
    assert not judged("crash_loop", DAY, 0, restarts_a_look=1).rolls_back
    assert judged("crash_loop", 60.0, 0, restarts_a_look=1).rolls_back
