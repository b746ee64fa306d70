"""The A/A run is repeatable, and its page says what was counted."""

from pathlib import Path

from bench.watch import parameters
from bench.watch.counting import Alarms, Detection
from bench.watch.day import SimulatedDay, book, watch
from bench.watch.page import origins_of, page
from bench.watch.parameters import Parameters
from bench.watch.regressions import REGRESSIONS, Regression
from cutover.core.verdict import Verdict
from cutover.monitor.rules.points import PointAnswer
from tests.checkout import ROOT


def named(name: str) -> Regression:
    return next(one for one in REGRESSIONS if one.name.startswith(name))


def test_the_same_seed_is_the_same_watch() -> None:
    hang = named("hangs")
    one, other = (watch(book(ROOT), "5/7", Parameters(), hang) for _ in range(2))
    assert one == other
    assert one != watch(book(ROOT), "5/8", Parameters(), hang)


def test_what_was_said_before_the_regression_or_by_another_rule_is_no_detection() -> None:
    day = SimulatedDay(planted=100.0)
    lost = named("one tape lost")
    day.first = {("tape_lost", "rollback"): 90.0, ("seen", "hold"): 110.0}
    assert day.seen_at(lost) is None
    day.first["tape_lost", "rollback"] = 130.0
    found = Detection.of(lost, [day, SimulatedDay(planted=100.0)])
    assert (found.delays, found.watches, found.median, found.p95, found.wrong) == ((30.0,), 2, 30.0, 30.0, 0)
    assert Detection.of(named("leak of 25"), [day]).wrong == 1  # it rolled back where a hold was right


def test_the_page_says_what_was_counted_and_where_each_parameter_comes_from() -> None:
    alarms = Alarms()
    quiet = SimulatedDay(looks=10, points={"hour_1": PointAnswer("go_on", Verdict.PASS)})
    alarms.add(quiet)
    alarms.add(SimulatedDay(looks=10, first={("latency", "warn"): 1.0, ("seen", "warn"): 2.0}, points=quiet.points))
    origins = origins_of(Path(parameters.__file__).read_text(encoding="utf-8"))
    text = page(book(ROOT), alarms, [Detection.of(REGRESSIONS[0], [SimulatedDay()])], 5, origins)
    assert "| WARN | 1 | 50.00 % |" in text
    assert "| `hour_1` | 2 | 0 | - |" in text
    assert set(Parameters.__dataclass_fields__) == set(origins)
    assert all(f"| {name.replace('_', ' ')} |" in text for name in origins)
