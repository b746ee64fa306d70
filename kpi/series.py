"""Time series of the KPIs: daily, weekly (ISO weeks), monthly. A period without data is a gap, never a zero.

KPIs are point-in-time values: a period's value is that of its last measurement date, which is named. Where that date has no
value, the period has none either, and says why; an earlier date is never put in its place.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

from kpi.findings import Finding
from kpi.outputs import LATEST, MANIFEST

SCHEMA = 1
Kpis = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Measurement:
    """The KPIs of one measurement date, and the tape that they came from."""

    day: date
    kpis: Kpis
    tape: str = ""
    sha256: str = ""
    finished_at: str = ""


@dataclass(frozen=True)
class Grain:
    """How days are put together: the name of a day's period, its first day, and the first day of the next."""

    name: str
    label: Callable[[date], str]
    first: Callable[[date], date]
    following: Callable[[date], date]


def _week(day: date) -> str:
    year, week, _ = day.isocalendar()
    return f"{year:04d}-W{week:02d}"


def _next_month(day: date) -> date:
    return (day.replace(day=1) + timedelta(days=32)).replace(day=1)


GRAINS = (
    Grain("daily", date.isoformat, lambda day: day, lambda day: day + timedelta(days=1)),
    Grain(
        "weekly",
        _week,
        lambda day: day - timedelta(days=day.weekday()),
        lambda day: day + timedelta(days=7 - day.weekday()),
    ),
    Grain("monthly", lambda day: day.isoformat()[:7], lambda day: day.replace(day=1), _next_month),
)


def of_record(record: Mapping[str, Any]) -> list[Measurement]:
    """The measurements in the record of one run: of each date, or of its only one."""
    groups = record["by_date"] or ({record["as_of"]: record["kpis"]} if record["as_of"] else {})
    tape = record["tape"]
    return [
        Measurement(date.fromisoformat(day), kpis, tape["name"], tape["sha256"], record["finished_at"])
        for day, kpis in groups.items()
    ]


def of_dates(by_date: Mapping[str, Kpis], tape: str) -> list[Measurement]:
    """The measurements of a tape that was computed and not run."""
    return [Measurement(date.fromisoformat(day), kpis, tape) for day, kpis in by_date.items()]


def series(measurements: Iterable[Measurement]) -> dict[str, Any]:
    """The three series and their gaps. Of several measurements of a date the last finished counts; the rest is counted."""
    by_day: dict[date, Measurement] = {}
    restated: dict[date, int] = {}
    for one in sorted(measurements, key=lambda each: (each.day, each.finished_at, each.sha256)):
        restated[one.day] = restated.get(one.day, -1) + 1
        by_day[one.day] = one
    document: dict[str, Any] = {"schema": SCHEMA, "dates": len(by_day), "gaps": {}}
    for grain in GRAINS:
        document[grain.name] = [_period(grain, days, by_day) for days in _periods(grain, sorted(by_day))]
        document["gaps"][grain.name] = _gaps(grain, sorted(by_day))
    document["restated"] = {day.isoformat(): count for day, count in restated.items() if count}
    return document


def history(metrics: Path) -> tuple[list[Measurement], list[Finding]]:
    """The measurements of all accepted tapes in a metrics directory, and the files there that cannot be read."""
    measurements: list[Measurement] = []
    problems: list[Finding] = []
    for path in sorted(metrics.glob("v2_*.json")):
        if path.name == LATEST or path.name.endswith(MANIFEST):
            continue
        try:
            record = json.loads(path.read_bytes())
            if record["status"] == "ok" and not record["tape"]["canary"]:
                measurements += of_record(record)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            step = "see who writes to metrics/; have the tape run again"
            found = f"no record of a run: {type(error).__name__}: {error}"
            problems.append(Finding("series_unreadable", str(path), found, step))
    return measurements, problems


def series_of_history(metrics: Path) -> dict[str, Any]:
    """The series over all accepted tapes, with what could not be read."""
    measurements, problems = history(metrics)
    return {**series(measurements), "problems": [problem.as_json() for problem in problems]}


def _periods(grain: Grain, days: list[date]) -> list[list[date]]:
    grouped: dict[str, list[date]] = {}
    for day in days:
        grouped.setdefault(grain.label(day), []).append(day)
    return list(grouped.values())


def _period(grain: Grain, days: list[date], by_day: Mapping[date, Measurement]) -> dict[str, Any]:
    last = by_day[days[-1]]
    shown = ("value", "unit", "status", "reason")
    return {
        "period": grain.label(last.day),
        "first_day": grain.first(last.day).isoformat(),
        "last_day": (grain.following(last.day) - timedelta(days=1)).isoformat(),
        "as_of": last.day.isoformat(),
        "dates": len(days),
        "tape": last.tape,
        "sha256": last.sha256,
        "kpis": {name: {key: kpi[key] for key in shown} for name, kpi in last.kpis.items()},
    }


def _gaps(grain: Grain, days: list[date]) -> list[dict[str, Any]]:
    """Runs of periods between the first and the last measurement that have none."""
    gaps = []
    for before, after in pairwise(days):
        first, end, count = grain.following(before), grain.first(after), 0
        missing = first
        while missing < end:
            count, missing = count + 1, grain.following(missing)
        if count:
            gaps.append({"from": grain.label(first), "to": grain.label(end - timedelta(days=1)), "periods": count})
    return gaps
