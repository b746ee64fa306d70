"""The oracle that validation compares with: the known digits from CSV, gzip and Parquet, and what it leaves out."""

import gzip
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import csv, parquet

from kpi.engine import evaluate
from kpi.reading import read_tape
from kpi.synthetic import RECIPES, as_csv, draw
from kpi.validation import oracle
from kpi.validation.oracle import NotRecomputedError, Recomputed, recompute

HEADER = (
    "loan_id,measurement_date,total_receivable_usd,total_eligible_usd,discounted_balance_usd,cash_available_usd,"
    "dpd_0_7_usd,dpd_7_30_usd,dpd_30_60_usd,dpd_60_90_usd,dpd_90_plus_usd"
)
ROW = "L1,2025-12-26,1000,800,1000,200,10,20,100,50,25"


def _of(tmp_path: Path, *rows: str) -> Recomputed:
    path = tmp_path / "tape"
    path.write_text("\n".join([HEADER, *rows]) + "\n", encoding="utf-8")
    return recompute(path, {})


@pytest.mark.parametrize("recipe", ["A", "B"])
@pytest.mark.parametrize("kind", ["csv", "gzip", "parquet"])
def test_the_known_digits(tmp_path: Path, recipe: str, kind: str) -> None:
    path = tmp_path / "tape"
    content = as_csv(draw(recipe))
    if kind == "parquet":
        parquet.write_table(csv.read_csv(BytesIO(content)), path)
    else:
        path.write_bytes(gzip.compress(content) if kind == "gzip" else content)
    seen = recompute(path, {})
    assert {name: f"{seen.kpis[name]:.6f}" for name in RECIPES[recipe].known} == RECIPES[recipe].known
    assert (seen.as_of, seen.rows_read, seen.rows_used) == ("2025-12-26", RECIPES[recipe].rows, RECIPES[recipe].rows)


WORDS = "0 1 12.5 -1 -0 +3 1e3 1. .5 nan NaN null None NA N/A x inf -inf Infinity 1_000 1,5 $5 0x1F 1e999 1e --1 True"
CELLS = st.sampled_from(["", " ", " 7 ", "1 2", "\uff11", "\u00a05", *WORDS.split()])
DATES = st.sampled_from(["2025-12-26", "2025-12-25", " 2025-12-26", "2025-02-30", "2025-1-1", "20251226", "", "x"])


@given(st.lists(st.tuples(DATES, CELLS, CELLS), min_size=1, max_size=8))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_it_leaves_out_the_rows_that_the_engine_leaves_out(tmp_path: Path, cells: list[tuple[str, str, str]]) -> None:
    lines = [
        HEADER,
        *(f'L{at},{day},"{one}",800,1000,"{other}",0,0,0,0,0' for at, (day, one, other) in enumerate(cells)),
    ]
    lines.append("L99,2025-12-26,1000,800,1000,200,10,20,100,50,25")
    path = tmp_path / "tape"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    tape = read_tape(path)
    seen = recompute(path, {})
    assert (seen.rows_read, seen.rows_used) == (tape.rows_read, tape.rows_used)
    written = {name: kpi.value for name, kpi in evaluate(tape).headline.items() if kpi.value is not None}
    assert written == pytest.approx({name: seen.kpis[name] for name in written}, rel=1e-12)


def test_amounts_are_read_by_the_declared_rules(tmp_path: Path) -> None:
    rules = {"separator": ";", "decimal": ",", "thousands": ".", "currency": "$"}
    path = tmp_path / "tape"
    row = ROW.replace(",", ";").replace(";1000;800", ";$1.000,00;800,0")
    path.write_text(f"{HEADER.replace(',', ';')}\n{row}\n", encoding="utf-8")
    assert recompute(path, rules).kpis["PAR30"] == 17.5


def test_a_tape_without_kpis_is_told_apart_from_one_that_is_too_large_or_needs_pyarrow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ValueError, match="no usable row"):
        _of(tmp_path)
    with pytest.raises(ValueError, match="denominator"):
        _of(tmp_path, ROW.replace(",800,", ",0,"))
    monkeypatch.setattr(oracle, "MOST_BYTES", 100)
    with pytest.raises(NotRecomputedError, match="larger than"):
        _of(tmp_path, ROW)
    path = tmp_path / "tape.parquet"
    path.write_bytes(b"PAR1{}")
    monkeypatch.setattr(oracle, "find_spec", lambda _: None)
    with pytest.raises(NotRecomputedError, match="no pyarrow"):
        recompute(path, {})
