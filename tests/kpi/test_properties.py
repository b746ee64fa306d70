"""What must hold for every tape: order, cut and engine do not matter, more arrears never look better, no number for no data."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kpi.aggregate import Aggregate
from kpi.columns import AMOUNTS, BUCKETS
from kpi.engine import evaluate
from kpi.reading import read_tape
from kpi.results import Status
from kpi.sums import Column
from kpi.synthetic import MEASURED_ON, draw
from kpi.tapes import arrow, plain
from kpi.tapes.batch import aggregate_batch
from kpi.tapes.layout import Layout
from kpi.tapes.records import record_blocks
from kpi.tapes.rules import InputRules

SEEDS = st.integers(0, 2**32 - 1)
ROWS = st.integers(1, 30)
CELLS = st.one_of(
    st.floats(0, 1e12).map(repr),
    st.sampled_from(
        ["", "NaN", "null", "nUll", "-nan", "inf", "1e400", "-1", " 1.5 ", "+2", ".5", "5.", "1_0", "0x1p3", "$1"]
    ),
    st.text(st.characters(codec="utf-8", exclude_characters='\x00\r\n",'), max_size=4),
)


def _tape(drawn: dict[str, Column]) -> dict[str, object]:
    return {"measurement_date": MEASURED_ON, **drawn}


def _values(drawn: dict[str, Column]) -> dict[str, float | None]:
    return {name: result.value for name, result in evaluate(_tape(drawn)).headline.items()}


def _aggregate(drawn: dict[str, Column]) -> Aggregate:
    return read_tape(_tape(drawn)).aggregates[MEASURED_ON]


@given(SEEDS, ROWS)
def test_the_order_of_rows_does_not_matter(seed: int, rows: int) -> None:
    drawn = draw("B", rows, seed)
    order = np.random.RandomState(seed).permutation(rows)
    assert _aggregate({name: column[order] for name, column in drawn.items()}) == _aggregate(drawn)


@given(SEEDS, st.integers(2, 30), st.data())
def test_where_a_tape_is_cut_does_not_matter(seed: int, rows: int, data: st.DataObject) -> None:
    drawn = draw("B", rows, seed)
    cut = data.draw(st.integers(1, rows - 1))
    first = _aggregate({name: column[:cut] for name, column in drawn.items()})
    second = _aggregate({name: column[cut:] for name, column in drawn.items()})
    assert first + second == second + first == _aggregate(drawn)


@given(st.lists(st.tuples(*[CELLS] * len(AMOUNTS)), min_size=1, max_size=6))
def test_the_fast_reader_says_nothing_or_what_the_reference_says(rows: list[tuple[str, ...]]) -> None:
    layout = Layout("tape", ("measurement_date", *AMOUNTS), InputRules())
    text = "".join(",".join([MEASURED_ON, *row]) + "\n" for row in rows).encode()
    expected = aggregate_batch(plain.read_block(text, layout))
    fast = arrow.aggregate_block(text, layout)
    assert fast is None or fast == expected
    if not expected.quarantined and all(set(cell) <= set("0123456789.e+-") for row in rows for cell in row):
        assert fast is not None or any(cell.startswith("+") for row in rows for cell in row)


@given(st.lists(st.sampled_from(['"', ",", "\n", "\r\n", "\r", "a", "é", '""']), max_size=12), st.integers(1, 9))
def test_where_bytes_are_cut_does_not_matter(pieces: list[str], size: int) -> None:
    text = "".join(pieces).encode()

    def outcome(chunks: list[bytes]) -> object:
        try:
            return b"".join(record_blocks(chunks, "tape", ",", 1 << 20))
        except Exception as error:  # noqa: BLE001 - which one is compared
            return type(error), str(error).partition(",")[0]

    cut = outcome([text[at : at + size] for at in range(0, len(text), size)])
    whole = outcome([text] if text else [])
    assert type(cut) is type(whole)
    if isinstance(whole, bytes):
        assert cut == whole


@given(SEEDS, ROWS)
def test_par90_is_never_above_par30(seed: int, rows: int) -> None:
    values = _values(draw("B", rows, seed))
    par30, par90 = values["PAR30"], values["PAR90"]
    assert par30 is not None
    assert par90 is not None
    assert par90 <= par30


def test_a_sum_beyond_the_range_of_floats_is_invalid_and_no_number() -> None:
    drawn = draw("A", 7) | {bucket: np.zeros(7) for bucket in BUCKETS}
    result = evaluate(_tape(drawn | {"total_receivable_usd": np.full(7, 1.7e308)})).headline["PAR90"]
    assert (result.status, result.value) == (Status.INVALID, None)
