"""What must hold for every tape: order does not matter, more arrears never look better, PAR90 is never above PAR30."""

from hypothesis import given
from hypothesis import strategies as st

from kpi.engine import Evaluation, evaluate
from kpi.reading import parse_csv
from kpi.recipes import as_csv, draw
from kpi.sums import exact_sum

SEEDS = st.integers(0, 2**32 - 1)
ROWS = st.integers(1, 30)


def _evaluate(content: bytes) -> Evaluation:
    return evaluate(parse_csv("tape", content))


@given(SEEDS, ROWS, st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(seed: int, rows: int, dice: st.DataObject) -> None:
    header, *body = as_csv(draw("B", rows, seed)).splitlines()
    shuffled = body[:]
    dice.shuffle(shuffled)  # type: ignore[attr-defined]
    one, other = _evaluate(b"\n".join([header, *body])), _evaluate(b"\n".join([header, *shuffled]))
    assert {name: result.value for name, result in one.headline.items()} == {
        name: result.value for name, result in other.headline.items()
    }


@given(SEEDS, ROWS)
def test_par90_is_never_above_par30(seed: int, rows: int) -> None:
    headline = _evaluate(as_csv(draw("B", rows, seed))).headline
    par30, par90 = headline["PAR30"].value, headline["PAR90"].value
    assert par30 is not None
    assert par90 is not None
    assert par90 <= par30


@given(SEEDS, ROWS, st.floats(0.0, 1e5))
def test_more_arrears_never_lower_par(seed: int, rows: int, more: float) -> None:
    drawn = draw("A", rows, seed)
    before = exact_sum([drawn["dpd_90_plus_usd"]])
    drawn["dpd_90_plus_usd"] = drawn["dpd_90_plus_usd"] + more
    worse = _evaluate(as_csv(drawn)).headline["PAR90"]
    assert worse.numerator is not None
    assert worse.numerator >= before
