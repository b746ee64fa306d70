"""Daily, weekly and monthly series: each period's last date, gaps that are listed, no number that was not measured."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kpi.cli import main
from kpi.config import PipelineConfig
from kpi.pipeline import Delivery, run_tape
from kpi.series import GRAINS, Measurement, series, series_of_history
from kpi.synthetic import as_csv, draw

DAYS = st.lists(st.dates(date(2019, 1, 1), date(2026, 12, 31)), min_size=1, max_size=12)


def _kpi(value: float | None, status: str = "ok") -> dict[str, Any]:
    return {"value": value, "unit": "%", "status": status, "reason": "" if status == "ok" else "why", "formula": "x"}


def _of(day: str, value: float | None, finished: str = "1", **more: Any) -> Measurement:
    return Measurement(
        date.fromisoformat(day), {"PAR30": _kpi(value, **more)}, f"{day}.csv", f"sha-{finished}", finished
    )


def _values(document: dict[str, Any], grain: str) -> dict[str, float | None]:
    return {one["period"]: one["kpis"]["PAR30"]["value"] for one in document[grain]}


def test_a_period_has_the_value_of_its_last_date_and_says_which() -> None:
    document = series([_of("2025-12-26", 3.0), _of("2025-12-01", 1.0), _of("2025-12-24", 2.0), _of("2026-01-01", 4.0)])
    assert _values(document, "daily") == {"2025-12-01": 1.0, "2025-12-24": 2.0, "2025-12-26": 3.0, "2026-01-01": 4.0}
    assert _values(document, "weekly") == {"2025-W49": 1.0, "2025-W52": 3.0, "2026-W01": 4.0}
    assert _values(document, "monthly") == {"2025-12": 3.0, "2026-01": 4.0}
    december = document["monthly"][0]
    assert (december["as_of"], december["dates"], december["tape"]) == ("2025-12-26", 3, "2025-12-26.csv")
    assert (document["weekly"][2]["first_day"], document["weekly"][2]["last_day"]) == ("2025-12-29", "2026-01-04")


def test_a_date_without_a_value_stays_without_one() -> None:
    document = series([_of("2025-12-01", 1.0), _of("2025-12-02", None, status="undefined")])
    found = document["monthly"][0]["kpis"]["PAR30"]
    assert found == {"value": None, "unit": "%", "status": "undefined", "reason": "why"}


def test_the_last_finished_measurement_of_a_date_counts() -> None:
    document = series([_of("2025-12-01", 2.0, "2"), _of("2025-12-01", 1.0, "1"), _of("2025-12-02", 5.0)])
    assert _values(document, "daily")["2025-12-01"] == 2.0
    assert document["restated"] == {"2025-12-01": 1}


@given(DAYS)
def test_periods_and_gaps_cover_the_time_exactly_once(days: list[date]) -> None:
    document = json.loads(json.dumps(series([_of(day.isoformat(), 1.0) for day in days])))
    for grain in GRAINS:
        measured = len({grain.label(day) for day in days})
        missing = sum(gap["periods"] for gap in document["gaps"][grain.name])
        at, expected = grain.first(min(days)), 0
        while at <= max(days):
            at, expected = grain.following(at), expected + 1
        assert (len(document[grain.name]), measured + missing) == (measured, expected)
        assert sum(one["dates"] for one in document[grain.name]) == len(set(days))


def _record(name: str, day: str, value: float, **changes: Any) -> dict[str, Any]:
    tape = {"name": name, "sha256": name, "canary": False}
    known = {"status": "ok", "as_of": day, "kpis": {"PAR30": _kpi(value)}, "by_date": {}, "finished_at": day}
    return {"tape": tape, **known, **changes}


def test_the_history_is_read_from_accepted_tapes_only(tmp_path: Path) -> None:
    dates = {"2025-11-01": {"PAR30": _kpi(7.0)}, "2025-11-02": {"PAR30": _kpi(8.0)}}
    files = {
        "v2_1.json": _record("a", "2025-10-01", 1.0),
        "v2_2.json": _record("b", "2025-10-02", 9.0, status="failed"),
        "v2_3.json": _record("c", "2025-11-02", 8.0, by_date=dates),
        "v2_1.manifest.json": {"outputs": {}},
        "latest.json": _record("c", "2025-12-24", 8.0),
        "v1_1.json": {"metrics": {"PAR30": 2.0}},
    }
    for name, document in files.items():
        (tmp_path / name).write_text(json.dumps(document), encoding="utf-8")
    damaged = {"v2_4.json": b"", "v2_5.json": b"[]", "v2_6.json": b"\xff", "v2_7.json": b'{"status": "ok", "tape": []}'}
    for name, content in damaged.items():
        (tmp_path / name).write_bytes(content)
    document = series_of_history(tmp_path)
    assert _values(document, "daily") == {"2025-10-01": 1.0, "2025-11-01": 7.0, "2025-11-02": 8.0}
    problems = {problem["where"].rpartition("/")[2]: problem["code"] for problem in document["problems"]}
    assert problems == dict.fromkeys(damaged, "series_unreadable")


def test_a_tape_of_several_dates_brings_its_series_and_one_of_one_date_none(
    config: PipelineConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = as_csv(draw("A", 20), "A", "2025-11-28")
    several = one + as_csv(draw("B", 20), "B", "2026-01-05").partition(b"\n")[2]
    assert "series" not in run_tape(config, Delivery("1.csv", one), config.paths["metrics"]).record
    found = run_tape(config, Delivery("2.csv", several), config.paths["metrics"]).record["series"]
    monthly = [(period["period"], period["tape"]) for period in found["monthly"]]
    assert monthly == [("2025-11", "2.csv"), ("2026-01", "2.csv")]
    assert found["gaps"]["monthly"] == [{"from": "2025-12", "to": "2025-12", "periods": 1}]
    tape = tmp_path / "2.csv"
    tape.write_bytes(several)
    assert main(["compute", str(tape), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)["series"]
    assert [period["kpis"] for period in shown["daily"]] == [period["kpis"] for period in found["daily"]]
