"""Counters that start anew with their process, and windows over them."""

from hypothesis import given
from hypothesis import strategies as st

from cutover.monitor.rules.signals import ResettingCounter, Window


def total(*shown: tuple[float, str]) -> float:
    counter = ResettingCounter()
    for count, life in shown:
        counter.take(count, life)
    return counter.total


def test_what_was_counted_before_the_watch_is_no_growth() -> None:
    assert total((100, "a")) == 0.0
    assert total((100, "a"), (103, "a")) == 3.0


def test_a_counter_that_fell_has_started_anew() -> None:
    assert total((100, "a"), (4, "a"), (6, "a")) == 6.0


def test_a_new_life_has_started_anew_though_nothing_fell() -> None:
    assert total((2, "a"), (9, "b")) == 9.0


def test_a_restart_in_the_middle_of_a_look_is_counted_once() -> None:
    assert total((100, "a"), (4, "a"), (6, "b"), (7, "b")) == 7.0
    assert total((100, "a"), (4, "b"), (9, "c")) == 13.0


def test_a_life_that_is_not_known_changes_nothing() -> None:
    assert total((5, "a"), (7, ""), (9, "a")) == 4.0


@given(st.lists(st.lists(st.integers(0, 20), min_size=1, max_size=5), min_size=1, max_size=6))
def test_over_any_restarts_the_growth_is_what_each_life_counted(lives: list[list[int]]) -> None:
    counter, expected, first = ResettingCounter(), 0, True
    for number, steps in enumerate(lives):
        count = 0
        for step in steps:
            count += step
            counter.take(count, f"life-{number}")
            expected += 0 if first else step
            first = False
    assert counter.total == expected


def test_a_window_looks_back_so_far_and_says_how_far() -> None:
    window = Window(60.0)
    assert window.take(0.0, 1.0) == (0.0, 0.0, 0.0)
    assert window.take(30.0, 4.0, 2.0) == (3.0, 2.0, 30.0)
    assert window.take(60.0, 5.0, 2.0) == (4.0, 2.0, 60.0)
    assert window.take(75.0, 6.0, 3.0) == (2.0, 1.0, 45.0)
    assert window.take(10_000.0, 9.0, 3.0) == (0.0, 0.0, 0.0)
