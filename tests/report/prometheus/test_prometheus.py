"""prometheus/: up to date, whole, and made from the book of rules and a mapping of which all mistakes are said at once."""

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from cutover.core.errors import UsageError
from cutover.monitor.rules.bounds import lower
from cutover.report.prometheus import folder, queries_of
from cutover.report.runbook import example_variables
from tests.checkout import ROOT
from tests.monitor.watch_samples import GONE, changed, shipped, table
from tests.report.prometheus.prometheus_cases import alerts, byar, own


def test_the_rules_are_up_to_date() -> None:
    committed = (ROOT / folder("abaco") / "rules.yml").read_text(encoding="utf-8")
    assert committed == queries_of("abaco", ROOT).text(), "run `./invokew prometheus` and commit what it writes"


def test_every_level_of_every_rule_is_an_alert_or_is_said_to_be_none() -> None:
    book, unseen = shipped(), set(re.findall(r"^#   (\w+): ", queries_of("abaco", ROOT).text(), re.MULTILINE))
    alerted = {(one["labels"]["rule"], one["labels"]["severity"]) for one in alerts()}
    wanted = {(rule.name, limit.level) for rule in book.rules if rule.name not in unseen for limit in rule.limits}
    assert alerted == wanted | {("seen", "critical")}
    assert unseen == {rule.name for rule in book.rules} - {rule for rule, _ in alerted}
    assert {"validation", "audit_chain"} <= unseen


def test_an_alert_says_what_the_rule_says_and_holds_the_number_of_the_table() -> None:
    (alert,) = [one for one in own("latency") if one["labels"]["severity"] == "critical"]
    assert alert["expr"] == f"abaco:latency:9m > {table()['kpi_latency_ms']['critical']} and abaco:latency:n_9m >= 2"
    assert alert["for"] == "10m"
    (rule,) = [rule for rule in shipped().rules if rule.name == "latency"]
    assert alert["annotations"]["summary"] == "{{ $labels.instance }}: " + rule.words
    assert alert["annotations"]["next"] == rule.next
    assert {one["labels"]["severity"] for one in alerts() if "unwatched" in one["annotations"]} == {"rollback"}


def test_an_environment_has_its_own_numbers_and_durations() -> None:
    variables = {**example_variables(ROOT, "abaco")}
    variables |= {"watch_look_s": 0.5, "watch_rules": {"running": {"for": {"critical": 1.5}}}}
    variables["watch_thresholds"] = {"memory_mb": {"warn": 77, "critical": 88}}
    text = queries_of("abaco", ROOT, variables).text()
    assert "abaco:memory > 77\n" in text
    assert "interval: 500ms" in text
    assert re.search(r"abaco:service_state > 0\n +for: 1s500ms", text)


def test_the_bound_is_never_above_the_exact_one_and_near_it() -> None:
    for whole in (10, 57, 1000):
        for part in range(whole // 2 + 1):
            assert byar(part, whole) <= lower(part, whole)
            if part >= 3 and part <= whole / 10:
                assert byar(part, whole) > 0.97 * lower(part, whole)


# The mapping: all that is wrong with it at once.


def refused(tmp_path: Path, change: dict[str, Any]) -> list[str]:
    """What is said about the mapping with other values at these paths."""
    shutil.copytree(ROOT / "roles", tmp_path / "roles", ignore=shutil.ignore_patterns("__pycache__"))
    file = tmp_path / "roles" / "abaco" / "prometheus.yml"
    file.write_text(yaml.safe_dump(changed(yaml.safe_load(file.read_text()), change)))
    with pytest.raises(UsageError) as error:
        queries_of("abaco", tmp_path).text()
    assert all(problem.next and "prometheus.yml:" in problem.path for problem in error.value.problems)
    return sorted(f"{problem.path.rpartition(': ')[2]}: {problem.found}" for problem in error.value.problems)


def test_all_unknown_and_missing_names_are_said_at_once(tmp_path: Path) -> None:
    change: dict[str, Any] = {
        "signals.memroy": {"value": "x"},
        "signals.memory": GONE,
        "signals.latency.value": "x",
        "signals.error_rate.per": "",
        "signals.restarts.value": "changes(x[5m])",
        "signals.waiting.value": "abaco_tape_waiting_seconds > $limit",
        "signals.memory_growth.value": "abaco_kpi $ [$window]",
        "signals.validation": {"value": "x"},
        "unseen.validation": GONE,
        "signals.service_state.words": "",
        "lower": "$of",
    }
    reported = refused(tmp_path, change)
    assert reported == [
        "lower: $per is missing",
        "signals.error_rate.per: `per` is missing",
        "signals.latency.value: `value` does not belong to the kind mean",
        "signals.memory_growth.value: $ is not known here",
        "signals.memroy: no rule has a signal `memroy`",
        "signals.restarts.value: $window is missing",
        "signals.service_state.words: `words` is missing",
        "signals.validation: `validation` is a verdict and has no figure",
        "signals.waiting.value: $limit is not known here",
        "signals: the signal `memory` is missing",
    ]


def test_what_has_no_right_form_is_said_with_its_place(tmp_path: Path) -> None:
    reported = refused(tmp_path, {"signals.memory.vlaue": "x", "job": GONE})
    assert reported == ["job: `job` is missing", "signals.memory.vlaue: unknown key `vlaue`"]
