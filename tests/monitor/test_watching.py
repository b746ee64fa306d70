"""The watch in fast motion: a whole day in a second, with everything that may happen in it."""

from pathlib import Path
from typing import Any

import pytest

from cutover.core.verdict import Verdict
from cutover.monitor.state import Signoff
from cutover.monitor.watch import EndReason
from tests.monitor.watch_samples import only
from tests.monitor.watches import BEGAN, HOUR, SEEDS_AND_DAYS, TAPES_AN_HOUR, Hosts, Reel, settings


@pytest.fixture
def reel(tmp_path: Path) -> Reel:
    return Reel(tmp_path)


def from_(t0: float, host: str, path: str, value: Any) -> Hosts:
    """Hosts of which one finds another value from some moment on; a callable is given the seconds since then."""

    def disturb(name: str, t: float, documents: dict[str, Any]) -> None:
        if name != host or t < t0:
            return
        *way, last = path.split(".")
        place = documents
        for step in way:
            place = place[step]
        place[last] = value(t - t0, place[last]) if callable(value) else value

    return Hosts(disturb)


def leaking(seconds: float, mb: float) -> float:
    return mb * (1 + 0.3 * seconds / HOUR)


def quarter_hourly(reel: Reel) -> None:
    """One host with fewer samples and rules, for watches that are opened again and again: each reads its journal as a whole."""
    book = only("tape_lost", "errors_per_hour", "memory", "memory_growth", "kpi_drift")
    reel.hosts, reel.settings = ("web1",), settings(cadence=SEEDS_AND_DAYS, book=book).looking_every(900.0)


def said(decision: str, point: str = "", name: str = "Ana Example") -> Signoff:
    return Signoff("engineering_lead", name, decision, point, "seen", "9")


def test_an_undisturbed_day_is_over_with_every_row_and_every_point(reel: Reel) -> None:
    ended = reel.run()
    assert (ended.end, ended.verdict) == (EndReason.OVER, Verdict.PASS)
    rows = {one["t"] for one in reel.records("judged") if one["row"]}
    assert len(rows) == 1 + 8 + 4 + 4 + 2  # the baseline, then the seeds' cadence
    assert [(one["name"], one["answer"]) for one in reel.records("point")] == [
        ("hour_1", "go_on"), ("hour_8", "go_on"), ("hour_24", "go_on"),
    ]  # fmt: skip
    assert reel.records("hold.opened", "trigger", "watch.gap") == []
    assert reel.events("signoff_wanted") == [("hour_24: engineering_lead",)]


def test_a_lost_tape_pulls_the_trigger_at_the_second_look_that_sees_it(reel: Reel) -> None:
    reel.look = from_(2.1 * HOUR, "web2", "figures.stock.lost_count", 1)
    ended = reel.run()
    assert ended.end is EndReason.TRIGGERED
    pulled = reel.records("trigger")
    assert [(one["host"], one["rolls_back"]) for one in pulled] == [("web2", True)]
    assert reel.t - 2.1 * HOUR <= 2 * reel.settings.look_s  # seen twice: it might just have been on its way
    assert "web2" in ended.reasons[0]


def test_a_leak_holds_and_each_time_it_is_run_again_a_held_watch_looks_at_the_triggers(reel: Reel) -> None:
    reel.look = from_(HOUR, "web1", "resources.memory_mb", leaking)
    assert reel.run(stays=False).end is EndReason.HELD
    assert reel.events("hold")
    assert reel.records("trigger") == []
    reel.now += 60
    assert reel.run(stays=False).end is EndReason.HELD
    (hold,) = reel.records("hold.opened")
    assert (hold["default"], "web1" in hold["reasons"][0]) == ("stay", True)
    reel.look = from_(0.0, "web2", "figures.stock.doubled_count", 1)
    ends = []
    for _ in range(3):
        reel.now += 60
        ends.append(reel.run(stays=False).end)
    assert ends == [EndReason.HELD, EndReason.TRIGGERED, EndReason.TRIGGERED]


def test_a_person_who_says_go_on_is_not_asked_the_same_again_before_the_next_point(reel: Reel) -> None:
    reel.look = from_(HOUR + 1, "web1", "resources.memory_mb", 600.0)
    reel.signoffs = [(3 * HOUR, said("go_on"))]
    reel.settings = settings(live_s=4 * HOUR)
    ended = reel.run()
    assert ended.end is EndReason.OVER
    assert ended.verdict is Verdict.FAIL
    assert len(reel.records("hold.opened")) == 1
    (closed,) = reel.records("hold.closed")
    assert (closed["decision"], closed["by"]) == ("go_on", "Ana Example, engineering_lead")


def test_a_person_who_says_no_has_it_rolled_back(reel: Reel) -> None:
    reel.look = from_(HOUR, "web1", "resources.memory_mb", 600.0)
    reel.signoffs = [(1.5 * HOUR, said("rollback"))]
    ended = reel.run()
    assert ended.end is EndReason.REFUSED
    assert ended.reasons == ("Ana Example (engineering_lead): seen",)


@pytest.mark.parametrize(("default", "end"), [("rollback", EndReason.REFUSED), ("go_on", EndReason.OVER)])
def test_nobody_decides_and_the_declared_default_comes(reel: Reel, default: str, end: EndReason) -> None:
    reel.look = from_(1.6 * HOUR, "web1", "resources.memory_mb", 600.0)
    reel.settings = settings(hold_default=default, live_s=4 * HOUR)
    ended = reel.run()
    assert ended.end is end
    (closed,) = reel.records("hold.closed")
    (opened,) = reel.records("hold.opened")
    assert closed["decision"] == default
    assert closed["t"] >= opened["deadline_t"]


def test_a_hold_with_the_default_stay_waits_for_ever_with_the_triggers_armed(reel: Reel) -> None:
    def disturb(host: str, t: float, documents: dict[str, Any]) -> None:
        if host == "web1" and t >= 1.6 * HOUR:
            documents["resources"]["memory_mb"] = 600.0
        if host == "web2" and t >= 12 * HOUR:
            documents["figures"]["stock"]["lost_count"] = 1

    reel.look = Hosts(disturb)
    assert reel.run().end is EndReason.TRIGGERED
    assert reel.t >= 12 * HOUR


def test_a_finding_at_hour_24_extends_the_watch(reel: Reel) -> None:
    def disturb(_host: str, t: float, documents: dict[str, Any]) -> None:
        if 23.9 * HOUR < t < 24.4 * HOUR:
            documents["figures"]["kpis"]["CollectionRate"] = 13.0

    reel.look = Hosts(disturb)
    ended = reel.run()
    assert ended.end is EndReason.OVER
    assert [one["answer"] for one in reel.records("point") if one["name"] == "hour_24"] == ["extend", "go_on"]
    assert reel.t >= 30 * HOUR
    assert len(reel.events("extended")) == 1


def test_what_is_not_known_at_a_point_is_asked_again_before_that_holds(reel: Reel) -> None:
    def disturb(_host: str, t: float, documents: dict[str, Any]) -> None:
        if 0.95 * HOUR < t < 1.05 * HOUR:
            documents["figures"] = {"error": "the entry point does not start"}

    reel.look, reel.settings = Hosts(disturb), settings(live_s=2 * HOUR)
    ended = reel.run()
    assert ended.end is EndReason.OVER
    (point,) = reel.records("point")
    assert point["answer"] == "go_on"
    assert point["t"] > 1.05 * HOUR


def test_a_controller_that_slept_goes_on_in_the_same_window_and_lists_the_gap(reel: Reel) -> None:
    reel.settings = settings(live_s=2 * HOUR)
    assert reel.run(once=True).end is EndReason.LOOKED
    reel.now += 1.5 * HOUR
    ended = reel.run()
    assert ended.end is EndReason.OVER
    (gap,) = reel.records("watch.gap")
    assert gap["to_t"] - gap["from_t"] == pytest.approx(1.5 * HOUR)
    assert len(reel.records("watch.started")) == 1
    assert reel.now - BEGAN == pytest.approx(2.5 * HOUR, abs=reel.settings.look_s)


def test_a_host_that_stays_silent_is_a_finding_and_a_hold_but_no_rollback(reel: Reel) -> None:
    reel.look = Hosts(silent=lambda host, t: host == "web2" and t > 2 * HOUR)
    ended = reel.run(stays=False)
    assert ended.end is EndReason.HELD
    assert any("web2" in reason for reason in ended.reasons)
    assert reel.records("trigger") == []


def test_somebody_who_takes_the_run_back_ends_the_watch(reel: Reel) -> None:
    reel.went_back_t = 3 * HOUR
    assert reel.run().end is EndReason.GONE
    assert reel.t == pytest.approx(3 * HOUR, abs=reel.settings.look_s)


def test_the_days_after_are_looked_at_once_a_day_and_pass_day_7_and_28(reel: Reel) -> None:
    quarter_hourly(reel)
    assert reel.run().end is EndReason.OVER
    reel.settings = reel.settings.looking_every(24 * HOUR)  # as `monitor --once` judges, whose looks are a day apart
    ends = []
    for _ in range(28):
        reel.now += 24 * HOUR
        ends.append(reel.run(once=True))
    assert {ended.end for ended in ends} == {EndReason.LOOKED}
    assert {ended.verdict for ended in ends[:6]} <= {Verdict.PASS, Verdict.INCONCLUSIVE}  # a few looks show no growth
    assert {ended.verdict for ended in ends[6:]} == {Verdict.PASS}
    assert [(one["name"], one["answer"]) for one in reel.records("point")][3:] == [
        ("day_7", "go_on"),
        ("day_28", "go_on"),
    ]
    assert reel.records("watch.gap") == []


def test_a_single_look_that_sees_what_may_be_a_trigger_looks_again_and_pulls_it(reel: Reel) -> None:
    quarter_hourly(reel)
    assert reel.run().end is EndReason.OVER
    reel.settings = reel.settings.looking_every(24 * HOUR)
    reel.now += 24 * HOUR
    assert reel.run(once=True).end is EndReason.LOOKED
    reel.look = from_(0.0, "web1", "figures.stock.lost_count", 1)
    reel.now += 24 * HOUR
    began, reel.most_t = reel.now, 100 * HOUR
    assert reel.run(once=True).end is EndReason.TRIGGERED
    assert reel.now - began <= 60


def test_in_a_hurried_watch_what_takes_a_moment_still_has_it(reel: Reel) -> None:
    def disturb(_host: str, t: float, documents: dict[str, Any]) -> None:
        if 4 * HOUR < t < 4 * HOUR + 301:  # one look falls between tapes and their records
            documents["figures"]["audit"]["production_events"] -= 4 * TAPES_AN_HOUR // 12

    reel.look, reel.settings = Hosts(disturb), settings(scale=864.0, live_s=6 * HOUR).looking_every(300.0)
    assert reel.run().end is EndReason.OVER
    assert reel.now - BEGAN == pytest.approx(25, abs=2)
