"""What the signals of the shipped rules make of a service: latency, rates, standstills, restarts, audit, memory, drift, rows."""

from typing import Any

import pytest

from cutover.core.verdict import Verdict
from cutover.monitor.rules.signals import ResettingCounter, Window
from tests.monitor.watch_samples import Watched, only, watched

PASS, WARN, FAIL, INCONCLUSIVE = Verdict.PASS, Verdict.WARN, Verdict.FAIL, Verdict.INCONCLUSIVE


def test_latency_warns_at_once_and_fails_after_ten_minutes() -> None:
    host = watched(60)
    judged = [host.see(figures__latency__sum_s=0.02 * 59 + 2.0 * extra)["latency"] for extra in range(1, 61)]
    said = [(one.verdict, one.pending) for one in judged]
    # Of a window of nine minutes, so many looks are needed to pull the mean above 500 ms.
    first = said.index((WARN, True))
    assert said[first + 40] == (FAIL, False)
    assert said[first + 39] == (WARN, True)


def test_one_slow_tape_is_no_slow_service() -> None:
    host = watched(60)
    said = [host.see(figures__latency__sum_s=0.02 * host.look + 30.0)["latency"] for _ in range(60)]
    assert said[0].verdict is WARN
    assert FAIL not in {one.verdict for one in said}
    assert said[-1].verdict is PASS


def test_latency_of_too_few_tapes_is_not_judged() -> None:
    host = Watched()
    host.see(figures__latency__count=0, figures__latency__sum_s=0.0)
    said = host.see(figures__latency__count=1, figures__latency__sum_s=0.02)["latency"]
    assert (said.verdict, said.n) == (INCONCLUSIVE, 1)
    assert "at least 2 are needed" in said.words


def failing(failed: int, of: int) -> Any:
    """What is said after so many failed tapes of so many, all of them within the last look."""
    host = Watched()
    host.see(figures__tapes={"processed": 0, "rejected": 0, "failed": 0})
    return host.see(figures__tapes={"processed": of - failed, "rejected": failed, "failed": 0})


def test_a_rate_rolls_back_only_when_it_is_surely_above_the_limit() -> None:
    three = failing(3, 20)["error_rate"]  # 15 %, and surely above 4.2 % only
    assert (three.verdict, three.level, three.rolls_back) == (FAIL, "critical", False)
    assert failing(3, 20)["error_burst"].verdict is PASS
    assert three.bound == pytest.approx(0.0422, abs=1e-4)
    four = failing(4, 20)["error_burst"]
    assert (four.verdict, four.level, four.rolls_back) == (FAIL, "rollback", True)
    assert four.bound == pytest.approx(0.0714, abs=1e-4)
    assert four.limit == 0.05
    assert four.n == 20
    assert "20 %" in four.words
    assert "n 20" in four.words
    assert "window 20m" in four.words
    assert "with 95 % confidence at least 7.135 %" in four.words


def test_below_the_least_number_of_events_a_rate_is_not_judged() -> None:
    assert failing(9, 9)["error_rate"].verdict is INCONCLUSIVE
    assert failing(9, 10)["error_rate"].rolls_back


def test_one_bad_tape_of_many_is_not_above_the_limit() -> None:
    one = failing(1, 100)["error_rate"]
    assert (one.verdict, one.value, one.level) == (PASS, 0.01, "")
    assert failing(2, 100)["error_rate"].verdict is WARN


def test_a_share_larger_than_its_whole_is_a_mistake_of_who_counts() -> None:
    host = watched(1)
    said = host.see(figures__rows={"read": 2000, "quarantined": 2001})["quarantined_rows"]
    assert said.verdict is INCONCLUSIVE
    assert "2001 of 2000 is impossible" in said.words


def test_quarantined_rows_hold_and_never_roll_back() -> None:
    host = watched()
    said = host.see(figures__rows={"read": 12_000, "quarantined": 40})["quarantined_rows"]
    assert (said.verdict, said.level, said.rolls_back) == (FAIL, "critical", False)


def test_errors_an_hour_are_known_before_the_hour_is_over_only_when_they_are_too_many() -> None:
    host = watched()
    assert host.see(figures__tapes__failed=5)["errors_per_hour"].verdict is INCONCLUSIVE
    assert host.see(figures__tapes__failed=6)["errors_per_hour"].verdict is WARN


def test_audit_events_an_hour_are_too_few_only_after_an_hour() -> None:
    host = Watched()
    said = [
        host.see(figures__audit__production_events=look // 10)["audit_events_per_hour"].verdict for look in range(241)
    ]
    assert said[:228] == [INCONCLUSIVE] * 228
    assert said[-1] is WARN


def test_a_standstill_is_the_age_of_a_waiting_tape_while_none_is_finished() -> None:
    stands: dict[str, Any] = {"figures__tapes": {"processed": 11, "rejected": 0, "failed": 0, "duplicate": 0}}
    host = watched()
    said = [host.see(figures__latency__waiting_s=15.0 * look, **stands)["standstill"] for look in range(1, 7)]
    assert [one.rolls_back for one in said] == [False] * 4 + [True] * 2
    queue = watched()  # as old, and the service works it off
    assert not any(queue.see(figures__latency__waiting_s=500.0)["standstill"].rolls_back for _ in range(10))


def test_a_service_that_answers_nothing_and_lets_tapes_wait_is_rolled_back() -> None:
    host = watched()
    silent: dict[str, Any] = {"figures__tapes": None, "health__status": "none"}
    said = [host.see(figures__latency__waiting_s=15.0 * look, **silent)["standstill"] for look in range(1, 7)]
    assert said[-1].rolls_back


def test_a_restart_warns_and_three_within_ten_minutes_roll_back() -> None:
    host = watched()
    one = host.see(unit__restarts=1, unit__invocation="life-2")
    assert (one["restarts"].verdict, one["crash_loop"].verdict) == (WARN, PASS)
    two = host.see(unit__restarts=2, unit__invocation="life-3")
    assert two["crash_loop"].verdict is PASS
    three = host.see(unit__restarts=3, unit__invocation="life-4")["crash_loop"]
    assert (three.verdict, three.rolls_back, three.value) == (FAIL, True, 3.0)


def test_restarts_that_are_ten_minutes_apart_are_no_loop() -> None:
    host = watched()
    for number in range(1, 5):
        lives: dict[str, Any] = {"unit__restarts": number, "unit__invocation": f"life-{number + 1}"}
        assert [host.see(**lives)["crash_loop"].verdict for _ in range(22)] == [PASS] * 22


def test_a_restart_by_hand_counts_though_systemd_counts_from_zero_again() -> None:
    host = Watched()
    host.see(unit__restarts=2)
    assert host.see(unit__restarts=0, unit__invocation="life-2")["restarts"].value == 1.0
    assert host.see(unit__restarts=0, unit__invocation="")["restarts"].value == 1.0


def test_a_trail_that_became_shorter_was_cut() -> None:
    host = watched()
    host.see(figures__audit__events=20)
    cut = host.see(figures__audit__events=24)["audit_cut"]
    assert (cut.rolls_back, cut.value) == (True, 20.0)
    assert host.last["audit_chain"].verdict is PASS


def test_tapes_without_an_audit_event_roll_back_after_a_minute() -> None:
    host = watched()
    said = [host.see(figures__audit__production_events=44)["tapes_without_audit"] for _ in range(6)]
    assert [one.rolls_back for one in said] == [False] * 4 + [True] * 2
    assert host.see(figures__audit__production_events=48)["tapes_without_audit"].value == 0.0


def test_events_of_canaries_hide_neither_a_silent_trail_nor_an_idle_service() -> None:
    host = Watched()
    for look in range(241):  # the trail grows by canaries alone, while tapes are processed
        host.see(figures__audit__production_events=3, figures__audit__events=50 * look)
    said = host.last
    assert said["audit_events_per_hour"].verdict is WARN
    assert said["tapes_without_audit"].rolls_back


@pytest.mark.parametrize(("cores", "verdict"), [(0.5, PASS), (0.51, WARN), (0.8, WARN), (0.81, FAIL)])
def test_processor_time_is_judged_after_ten_minutes(cores: float, verdict: Verdict) -> None:
    host = watched()
    used = [host.see(resources__cpu_seconds=0.3 * 11 + 15.0 * cores * (look + 1))["cpu"] for look in range(50)]
    assert used[38].verdict is PASS
    assert used[-1].verdict is verdict


def grown(an_hour: float, hours: int) -> Watched:
    host = Watched(only("memory_growth"))
    for _ in range(hours * 240 + 1):
        host.see(resources__memory_mb=40.0 * (1.0 + an_hour * host.t / 3600.0))
    return host


@pytest.mark.parametrize(
    ("an_hour", "hours", "verdict"), [(0.095, 4, PASS), (0.12, 4, WARN), (0.25, 3, WARN), (0.25, 4, FAIL)]
)
def test_growth_of_memory_warns_or_holds_after_three_hours_and_never_rolls_back(
    an_hour: float, hours: int, verdict: Verdict
) -> None:
    said = grown(an_hour, hours).last["memory_growth"]
    assert (said.verdict, said.rolls_back) == (verdict, False)


def test_a_step_of_the_allocator_is_no_growth() -> None:
    host = Watched(only("memory_growth"))
    steps = [46.0] * 700 + [52.0] * 700
    assert {host.see(resources__memory_mb=mb)["memory_growth"].verdict for mb in steps} <= {PASS, INCONCLUSIVE}


def test_a_restart_begins_the_growth_anew() -> None:
    host = grown(0.25, 2)
    assert host.last["memory_growth"].verdict is WARN
    said = host.see(unit__invocation="life-2", unit__restarts=1)["memory_growth"]
    assert (said.verdict, said.n) == (INCONCLUSIVE, 0)


def test_a_drift_is_judged_from_row_to_row_and_since_the_first_row() -> None:
    host = Watched()
    host.see(row=True, figures__kpis={"PAR30": 10.0})
    assert host.see(row=False, figures__kpis={"PAR30": 20.0})["kpi_drift"].verdict is INCONCLUSIVE  # no row
    on_it = host.see(row=True, figures__kpis={"PAR30": 10.5})
    assert on_it["kpi_drift"].verdict is PASS
    assert on_it["kpi_drift"].value == pytest.approx(0.05)
    above = host.see(row=True, figures__kpis={"PAR30": 11.0})
    assert (above["kpi_drift"].verdict, above["kpi_drift_since_baseline"].verdict) == (PASS, WARN)
    jump = host.see(row=True, figures__kpis={"PAR30": 12.0})["kpi_drift"]
    assert jump.verdict is WARN
    assert "PAR30 was 11 and is 12" in jump.words
    assert host.see()["kpi_drift"] == jump  # until the next row


def test_a_drift_below_the_floor_does_not_count() -> None:
    host = Watched()
    host.see(row=True, figures__kpis={"PAR30": 0.3})
    assert host.see(row=True, figures__kpis={"PAR30": 0.39})["kpi_drift"].verdict is PASS
    assert host.see(row=True, figures__kpis={"PAR30": 0.5})["kpi_drift"].verdict is WARN


def test_a_kpi_that_has_no_value_any_more_was_not_measured() -> None:
    host = Watched()
    host.see(row=True, figures__kpis={"PAR30": 2.0, "PAR90": 1.0})
    said = host.see(row=True, figures__kpis={"PAR30": 2.0, "PAR90": None})["kpi_drift"]
    assert said.verdict is INCONCLUSIVE
    assert "PAR90" in said.words


def test_what_only_rows_have_is_judged_at_rows() -> None:
    host = watched()
    slow: dict[str, Any] = {"validate__checks__performance__values__throughput_rows_per_second": 99_999}
    assert host.see(**slow)["throughput"].verdict is PASS
    assert host.see(row=True, **slow)["throughput"].verdict is WARN
    assert host.see(row=True, validate__status="FAIL")["validation"].verdict is FAIL
    assert host.see()["validation"].verdict is FAIL
    assert host.see(row=True, validate__status="WARN")["validation"].verdict is WARN
    assert host.see(row=True, validate__status="splendid")["validation"].verdict is INCONCLUSIVE
    assert host.see(row=True, validate__status=None)["validation"].verdict is FAIL  # the second row without


# Counters that start anew with their process, and windows over them.


@pytest.mark.parametrize(
    ("shown", "total"),
    [
        ([(100, "a"), (103, "a")], 3),  # what was counted before the watch is no growth
        ([(100, "a"), (4, "a"), (6, "a")], 6),  # a counter that fell has started anew
        ([(2, "a"), (9, "b")], 9),  # and so has one in a new life, though nothing fell
        ([(100, "a"), (4, "a"), (6, "b"), (7, "b")], 7),  # a restart in the middle of a look is counted once
        ([(100, "a"), (4, "b"), (9, "c")], 13),
        ([(5, "a"), (7, ""), (9, "a")], 4),  # a life that is not known changes nothing
    ],
)
def test_a_counter_grows_by_what_each_life_counted(shown: list[tuple[float, str]], total: float) -> None:
    counter = ResettingCounter()
    for count, life in shown:
        counter.take(count, life)
    assert counter.total == total


def test_a_window_looks_back_so_far_and_says_how_far() -> None:
    window = Window(60.0)
    assert window.take(0.0, 1.0) == (0.0, 0.0, 0.0)
    assert window.take(30.0, 4.0, 2.0) == (3.0, 2.0, 30.0)
    assert window.take(60.0, 5.0, 2.0) == (4.0, 2.0, 60.0)
    assert window.take(75.0, 6.0, 3.0) == (2.0, 1.0, 45.0)
    assert window.take(10_000.0, 9.0, 3.0) == (0.0, 0.0, 0.0)
