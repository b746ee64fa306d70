"""rules.yml is checked as a whole: every mistake in it, in the thresholds and in the overrides is said at once, with its place."""

from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from cutover.core.errors import UsageError
from cutover.monitor.rules.rulebook import Kind, RuleBook, Threshold
from cutover.monitor.rules.rules import load, load_for
from cutover.plan.service import load_service
from tests.checkout import ROOT
from tests.monitor.watch_samples import GONE, changed, shipped, table

SMALL: dict[str, Any] = {
    "epoch": "unit.life",
    "gap_looks": 4,
    "defaults": {"fail_after": 4},
    "signals": {
        "size": {"kind": "value", "at": "unit.size", "words": "the size"},
        "share": {"kind": "share", "of": ["unit.bad"], "per": ["unit.all"], "words": "the share"},
        "state": {"kind": "differs", "at": "unit.state", "from": ["good"], "words": "the state"},
        "said": {"kind": "verdict", "at": "unit.verdict", "words": "the verdict"},
    },
    "rules": {
        "size": {"signal": "size", "row": "size", "for": {"critical": "10m"}, "words": "too big", "next": "look"},
        "share": {"signal": "share", "row": "share", "window": "1h", "least": 10, "bound": "lower", "words": "w", "next": "n"},
        "state": {"signal": "state", "levels": ["critical"], "words": "w", "next": "n"},
        "said": {"signal": "said", "words": "w", "next": "n"},
    },
    "metrics": {"size": {"signal": "size", "floor": 1.0}},
    "points": {
        "first": {"at": "1h", "words": "w"},
        "second": {"at": "8h", "steady_since": "first", "steady": "steady.critical", "below": {"size": "size.warn"}, "words": "w"},
    },
}  # fmt: skip
OTHER = {"signal": "share", "window": "1h"}
LIMITS = {"size": {"warn": 10, "critical": 20}, "share": {"rollback": 0.05}, "steady": {"critical": 0.05}}


def made(tmp_path: Path, changes: dict[str, Any], limits: Any = None, overrides: Any = None) -> RuleBook:
    """The small book, with other values at these paths."""
    file = tmp_path / "rules.yml"
    file.write_text(yaml.safe_dump(changed(SMALL, changes), sort_keys=False))
    return load(file, LIMITS if limits is None else limits, overrides or {})


def refused(tmp_path: Path, changes: dict[str, Any], limits: Any = None, overrides: Any = None) -> list[str]:
    """What is said about it: the place without the directory and the line, and what was found."""
    with pytest.raises(UsageError) as error:
        made(tmp_path, changes, limits, overrides)
    reported = []
    for problem in error.value.problems:
        assert problem.next
        place = (
            problem.path.rpartition("rules.yml:")[2].partition(": ")[2]
            if "rules.yml:" in problem.path
            else problem.path
        )
        reported.append(f"{place}: {problem.found}")
    return reported


def test_the_small_book_is_read(tmp_path: Path) -> None:
    book = made(tmp_path, {})
    assert [rule.name for rule in book.rules] == ["size", "share", "state", "said"]
    assert list(book.rules[0].limits) == [Threshold("warn", 10, 0.0), Threshold("critical", 20, 600.0)]
    assert list(book.rules[2].limits) == [Threshold("critical", 0.0, 0.0)]
    assert list(book.points[1].below) == [("size", 10.0)]
    assert book.points[1].steady == 0.05


def test_the_shipped_rules_are_read_for_the_variables_of_a_host() -> None:
    book = load_for(load_service(ROOT, "abaco"), {"watch_thresholds": {}, "watch_rules": {}})
    assert book.digest == shipped().digest
    assert [point.name for point in book.points] == ["hour_1", "hour_8", "hour_24", "day_7", "day_28"]
    assert {one.level for rule in book.rules for one in rule.limits} == {"warn", "critical", "rollback"}
    used: set[Kind] = {rule.signal.kind for rule in book.rules} | {one.signal.kind for one in book.metrics}
    assert used == set(get_args(Kind))


def test_every_row_of_the_table_has_a_rule_or_a_use() -> None:
    """SPEC's rows; kpi_deviation is shadow mode's, which has both services on the same input."""
    rules = yaml.safe_load((ROOT / "roles" / "abaco" / "rules.yml").read_text())["rules"]
    used = {rule.get("row") for rule in rules.values()} | {"kpi_drift_floor", "stability"}
    assert set(table()) - used == {"kpi_deviation"}


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"rules.size.signal": "sise"}, "rules.size.signal: there is no signal `sise`"),
        ({"rules.size.row": "sise"}, "rules.size.row: there is no row of thresholds `sise`"),
        ({"rules.size.for": {"critical": "10"}}, "rules.size.for.critical: `10` is not a duration"),
        ({"rules.size.for": {"rollback": "10m"}}, "rules.size.for.rollback: there is no level `rollback`"),
        ({"rules.size.levels": ["rollback"]}, "rules.size.levels: there is no level `rollback`"),
        ({"rules.size.window": "1h"}, "rules.size.window: `window` does not belong to the kind value"),
        ({"rules.size.fail_after": 0}, "rules.size.fail_after: expected greater than or equal to 1, found the number 0"),
        ({"rules.size.wordz": "x"}, "rules.size.wordz: unknown key `wordz`"),
        ({"rules.share.window": GONE}, "rules.share.window: `window` is missing"),
        ({"rules.state.levels": GONE}, "rules.state.levels: `levels` is missing"),
        ({"signals.size.per": ["a.b"]}, "signals.size.per: `per` does not belong to the kind value"),
        ({"signals.size.rows": True, "metrics.size": OTHER}, "rules.size.for: rows are too far apart for a hold time"),
        ({"metrics.size.signal": "said"}, "metrics.size.signal: `said` has no figure in every sample"),
        ({"points.first.at": "soon"}, "points.first.at: `soon` is not a duration"),
        ({"points.second.steady_since": "fist"}, "points.second.steady_since: there is no point `fist`"),
        ({"points.second.at": "1h"}, "points.second.steady_since: `first` is not earlier"),
        ({"points.second.steady": "steady.warn"}, "points.second.steady: there is no limit `steady.warn`"),
        ({"points.second.below": {"weight": "size.warn"}}, "points.second.below.weight: there is no metric `weight`"),
        ({"points.first.otherwise": "extend"}, "points.first.by: `by` says by how much a watch is extended"),
        ({"gap_looks": "4"}, 'gap_looks: expected a whole number, found text "4"'),
    ],
)  # fmt: skip
def test_a_mistake_is_said_with_its_place(tmp_path: Path, changes: dict[str, Any], found: str) -> None:
    reported = refused(tmp_path, changes)
    assert found in reported


@pytest.mark.parametrize(
    ("row", "found"),
    [
        (
            {"warn": 30, "critical": 20},
            "rules.size.row: warn (30) lies beyond critical (20): it is never reached alone",
        ),
        ({"warn": "10"}, 'thresholds.size.warn: expected a number, found text "10"'),
        ({"warm": 10}, "thresholds.size.warm: expected 'warn', 'critical' or 'rollback', found text \"warm\""),
        (10, "thresholds.size: expected a map, found the number 10"),
    ],
)
def test_a_row_that_cannot_be_used_is_named(tmp_path: Path, row: Any, found: str) -> None:
    assert found in refused(tmp_path, {"points.second.below": {}}, {**LIMITS, "size": row})


def test_all_mistakes_are_said_at_once_with_what_was_meant(tmp_path: Path) -> None:
    changes = {
        "rules.size.signal": "sise",
        "rules.share.windo": "1h",
        "signals.state.kind": "diffs",
        "points.first.at": "1x",
    }
    with pytest.raises(UsageError) as error:
        made(tmp_path, changes, overrides={"shares": {"least": 1}, "said": {"for": {"warn": "1m"}}})
    reported = {problem.path.rpartition(": ")[2]: problem.next for problem in error.value.problems}
    assert reported["rules.size.signal"].startswith("did you mean size?")
    assert reported["rules.share.windo"].startswith("did you mean window?")
    assert "signals.state.kind" in reported
    assert "points.first.at" in reported
    assert reported["watch_rules.shares"].startswith("did you mean share?")
    assert "watch_rules.said.for" in reported


def test_an_environment_may_tune_a_rule_key_by_key(tmp_path: Path) -> None:
    book = made(tmp_path, {}, overrides={"size": {"for": {"warn": "1m"}}, "share": {"window": "30m", "least": 5}})
    assert list(book.rules[0].limits) == [Threshold("warn", 10, 60.0), Threshold("critical", 20, 600.0)]
    assert (book.rules[1].signal.window, book.rules[1].least) == (1800.0, 5)


def test_a_mistake_of_an_override_is_said_where_it_was_made(tmp_path: Path) -> None:
    reported = refused(
        tmp_path, {}, overrides={"size": {"for": {"warn": "soon"}}, "share": {"window": "an hour", "leest": 2}}
    )
    assert "watch_rules.size.for.warn: `soon` is not a duration" in reported
    assert "watch_rules.share.leest: unknown key `leest`" in reported
    assert not [one for one in reported if "critical" in one]


def test_no_file_and_no_yaml_are_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        load(tmp_path / "rules.yml", LIMITS, {})
    file = tmp_path / "rules.yml"
    file.write_text("- a list\n")
    with pytest.raises(UsageError, match="expected a map, found a list"):
        load(file, LIMITS, {})
