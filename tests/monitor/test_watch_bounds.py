"""The bounds of a share are those of Clopper and Pearson, and durations are read as they are written."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutover.inventory.schema import seconds, words
from cutover.monitor.rules import bounds


def tail(k: int, n: int, p: float) -> float:
    """P(X >= k) of the binomial, added up."""
    return math.fsum(math.comb(n, i) * p**i * (1 - p) ** (n - i) for i in range(k, n + 1))


@pytest.mark.parametrize(("k", "n"), [(1, 10), (4, 20), (9, 10), (50, 200)])
def test_at_its_bound_what_was_seen_has_a_chance_of_five_per_cent(k: int, n: int) -> None:
    assert tail(k, n, bounds.lower(k, n)) == pytest.approx(0.05, rel=1e-9)
    assert 1.0 - tail(k + 1, n, bounds.upper(k, n)) == pytest.approx(0.05, rel=1e-9)


def test_bounds_at_the_ends() -> None:
    assert bounds.lower(0, 7) == 0.0
    assert bounds.upper(7, 7) == 1.0
    assert bounds.lower(10, 10) == pytest.approx(0.05 ** (1 / 10))
    assert bounds.upper(0, 10) == pytest.approx(1 - 0.05 ** (1 / 10))


@given(st.integers(1, 3000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_share_lies_between_its_bounds(counted: tuple[int, int]) -> None:
    k, n = counted
    assert 0.0 <= bounds.lower(k, n) <= k / n <= bounds.upper(k, n) <= 1.0


@pytest.mark.parametrize(
    ("written", "expected"),
    [("15s", 15), ("30m", 1800), ("4h", 14400), ("7d", 604800), ("1h30m", 5400), ("0.5s", 0.5), (20, 20), (0, 0)],
)
def test_durations_are_read(written: object, expected: float) -> None:
    assert seconds(written) == expected


@pytest.mark.parametrize("written", ["", "h", "10", "10 m", "10m x", "-5s", -5, True, None, float("nan"), "5y", ["5s"]])
def test_what_is_no_duration_is_refused(written: object) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        seconds(written)


@given(st.integers(0, 10**8))
def test_words_of_a_duration_are_read_back(number: int) -> None:
    assert seconds(words(number)) == number
