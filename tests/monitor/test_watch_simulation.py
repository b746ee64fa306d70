"""The A/A run is repeatable, its service is what its parameters say, and its page says what was counted."""

from pathlib import Path
from random import Random

import pytest

from bench.watch import parameters
from bench.watch.book import book
from bench.watch.counting import Alarms, Detection
from bench.watch.day import SimulatedDay, watch
from bench.watch.page import origins_of, page
from bench.watch.parameters import Parameters
from bench.watch.regressions import REGRESSIONS, Regression
from bench.watch.service import SimulatedService
from cutover.core.verdict import Verdict
from cutover.monitor.rules.points import PointAnswer
from tests.checkout import ROOT

QUIET = Parameters(missed_looks=0.0, lost_sights_a_day=0.0, unanswered=0.0, undecided=0.0, stalls_a_day=0.0)


def named(name: str) -> Regression:
    return next(one for one in REGRESSIONS if one.name.startswith(name))


def test_a_day_has_the_tapes_and_the_latency_that_it_should() -> None:
    service = SimulatedService(Random("a day"), QUIET)  # noqa: S311 - a simulation
    before = service.look(row=False)["figures"]
    for _ in range(5760):
        service.step()
    after = service.look(row=False)["figures"]
    tapes = after["latency"]["count"] - before["latency"]["count"]
    assert tapes == pytest.approx(2880, rel=0.1)
    assert after["tapes"]["processed"] + after["tapes"]["rejected"] == after["latency"]["count"]
    mean = (after["latency"]["sum_s"] - before["latency"]["sum_s"]) / tapes
    assert mean == pytest.approx(0.0195 * 1.046, rel=0.05)  # the mean of a lognormal is above its median
    assert after["audit"]["events"] - before["audit"]["events"] == 4 * tapes


def test_the_same_seed_is_the_same_watch() -> None:
    hang = named("hangs")
    one, other = (watch(book(ROOT), "5/7", Parameters(), hang) for _ in range(2))
    assert one == other
    assert one != watch(book(ROOT), "5/8", Parameters(), hang)


def test_a_hang_is_rolled_back_within_minutes_of_its_beginning() -> None:
    day = watch(book(ROOT), "hang", QUIET, named("hangs"))
    at = day.seen_at(named("hangs"))
    assert at is not None
    assert 60.0 < at - day.planted < 300.0
    assert ("tape_at_hand", "rollback") in day.first


def test_what_was_said_before_the_regression_or_by_another_rule_is_no_detection() -> None:
    day = SimulatedDay(planted=100.0)
    lost = named("one tape lost")
    day.first = {("tape_lost", "rollback"): 90.0, ("seen", "hold"): 110.0}
    assert day.seen_at(lost) is None
    day.first["tape_lost", "rollback"] = 130.0
    found = Detection.of(lost, [day, SimulatedDay(planted=100.0)])
    assert (found.delays, found.watches, found.median, found.p95, found.wrong) == ((30.0,), 2, 30.0, 30.0, 0)


def test_a_rollback_where_a_hold_was_right_is_counted_as_wrong() -> None:
    day = SimulatedDay(planted=0.0, first={("memory_growth", "hold"): 5.0, ("tape_lost", "rollback"): 6.0})
    assert Detection.of(named("leak of 25"), [day]).wrong == 1


def test_the_page_says_what_was_counted() -> None:
    alarms = Alarms()
    quiet = SimulatedDay(looks=10, points={"hour_1": PointAnswer("go_on", Verdict.PASS)})
    alarms.add(quiet)
    alarms.add(SimulatedDay(looks=10, first={("latency", "warn"): 1.0, ("seen", "warn"): 2.0}, points=quiet.points))
    origins = origins_of(Path(parameters.__file__).read_text(encoding="utf-8"))
    text = page(book(ROOT), alarms, [Detection.of(REGRESSIONS[0], [SimulatedDay()])], 5, origins)
    assert "| WARN | 1 | 50.00 % |" in text
    assert "| `latency` | 1 | 0 | 0 |" in text
    assert "| FAIL: roll back | 0 | 0.00 % |" in text
    assert "| `hour_1` | 2 | 0 | - |" in text
    assert "| 0 of 1 | - | - |" in text
    assert all(f"| {name.replace('_', ' ')} |" in text for name in origins)


def test_every_parameter_says_where_it_is_from() -> None:
    origins = origins_of(Path(parameters.__file__).read_text(encoding="utf-8"))
    assert set(Parameters.__dataclass_fields__) == set(origins)
    assert {words[:2] for words in origins.values()} == {"M:", "A:"}
