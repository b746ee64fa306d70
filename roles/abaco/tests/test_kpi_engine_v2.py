"""The engine on the known tapes, and what it refuses by name."""

from collections.abc import Callable

import pytest

from kpi.engine import Evaluation, refused
from kpi.findings import RefusedTapeError
from kpi.reading import read_tape
from kpi.results import Status
from kpi.verdict import Verdict

Recipe = Callable[[str], Evaluation]
Bytes = Callable[..., bytes]


def _digits(evaluation: Evaluation) -> dict[str, str]:
    return {name: f"{result.value:.6f}" for name, result in evaluation.headline.items()}


def test_recipe_a_to_all_its_digits(of_recipe: Recipe) -> None:
    evaluation = of_recipe("A")
    known = {"PAR30": "2.210652", "PAR90": "0.319383", "CollectionRate": "11.973300", "PortfolioHealth": "10.000000"}
    assert _digits(evaluation) == known
    assert evaluation.verdict is Verdict.PASS


def test_recipe_b_to_all_its_digits(of_recipe: Recipe) -> None:
    evaluation = of_recipe("B")
    known = {"PAR30": "11.582404", "PAR90": "6.081477", "CollectionRate": "29.111097", "PortfolioHealth": "10.000000"}
    assert _digits(evaluation) == known
    assert evaluation.headline["PAR30"].portfolio_state == "critical"


def test_recipe_c_is_refused_by_name(of_recipe: Recipe) -> None:
    evaluation = of_recipe("C")
    assert evaluation.verdict is Verdict.FAIL
    assert evaluation.headline["PAR30"].value is None
    assert evaluation.headline["PAR30"].reason == "PAR30 373.03 % is outside 0-100 %"
    assert {finding.code for finding in evaluation.findings} == {"out_of_range", "buckets_exceed_receivable"}


def test_buckets_above_the_receivable_are_refused(of_rows: Callable[..., Evaluation]) -> None:
    evaluation = of_rows({}, {"dpd_0_7_usd": 999.0})
    assert [finding.code for finding in evaluation.findings] == ["buckets_exceed_receivable"]
    assert "1 of 2 rows" in evaluation.findings[0].found


@pytest.mark.parametrize(
    ("change", "code", "named"),
    [
        ({"total_receivable_usd": ...}, "missing_columns", "total_receivable_usd"),
        ({"dpd_120_plus_usd": 5.0}, "schema_drift", "dpd_120_plus_usd"),
    ],
)
def test_wrong_columns_are_refused_by_name(make_tape: Bytes, change: dict[str, object], code: str, named: str) -> None:
    with pytest.raises(RefusedTapeError) as error:
        read_tape(make_tape(change))
    assert [finding.code for finding in error.value.findings] == [code]
    assert named in error.value.findings[0].found


@pytest.mark.parametrize("content", [b"", None])
def test_no_rows_are_no_data_and_never_a_number(make_tape: Bytes, content: bytes | None) -> None:
    with pytest.raises(RefusedTapeError) as error:
        read_tape(make_tape() if content is None else content)
    headline = refused(error.value).headline
    assert {result.status for result in headline.values()} == {Status.NO_DATA}
    assert {result.value for result in headline.values()} == {None}
