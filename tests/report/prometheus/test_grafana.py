"""The Grafana dashboard: up to date, a panel for each signal, limits as lines, and expressions that Prometheus can read."""

import json
from functools import cache
from typing import Any

import yaml

from cutover.report.grafana import dashboard
from cutover.report.prometheus import folder, queries_of
from tests.checkout import ROOT
from tests.report.prometheus.prometheus_cases import rules


@cache
def panels() -> dict[str, dict[str, Any]]:
    return {panel["title"]: panel for panel in json.loads(dashboard(queries_of("abaco", ROOT)))["panels"]}


def exprs() -> list[str]:
    """What the dashboard asks; test_prometheus_alerts has promtool parse it."""
    return [target["expr"] for panel in panels().values() for target in panel["targets"]]


def test_the_dashboard_is_up_to_date() -> None:
    committed = (ROOT / folder("abaco") / "dashboard.json").read_text(encoding="utf-8")
    assert committed == dashboard(queries_of("abaco", ROOT)), "run `./invokew prometheus` and commit what it writes"


def test_each_signal_has_a_panel_which_asks_for_what_is_recorded_of_the_chosen_hosts() -> None:
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    asked = {expr.partition("{")[0] for expr in exprs()} - {"up", "ALERTS"}
    assert asked <= recorded
    signals = yaml.safe_load((ROOT / "roles" / "abaco" / "prometheus.yml").read_text())["signals"].keys() - {"looks"}
    assert {series.split(":")[1] for series in asked} == signals
    assert len({(one["gridPos"]["x"], one["gridPos"]["y"]) for one in panels().values()}) == len(signals) + 2
    assert all("$instance" in expr and "$environment" in expr for expr in exprs())


def test_limits_are_lines_in_the_order_of_their_values() -> None:
    steps = {title: one["fieldConfig"]["defaults"]["thresholds"]["steps"] for title, one in panels().items()}
    assert [(one["color"], one["value"]) for one in steps["the mean latency of a tape (ms)"]] == [
        ("green", None), ("yellow", 100), ("orange", 500), ("red", 60000),
    ]  # fmt: skip
    fewer = next(found for title, found in steps.items() if title.startswith("the number of audit events"))
    assert [(one["color"], one["value"]) for one in fewer] == [("yellow", None), ("green", 100)]
