"""The Grafana dashboard: its form, a panel for each signal, limits as lines, and expressions that Prometheus can read."""

from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field

from cutover.report.prometheus import files
from tests.checkout import ROOT
from tests.monitor.watch_samples import shipped
from tests.report.prometheus.promtool import DASHBOARD, needs_promtool, promtool, rules


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Source(_Strict):
    type: Literal["prometheus"]
    uid: Literal["${datasource}"]


class _Step(_Strict):
    color: Literal["green", "yellow", "orange", "red"]
    value: float | None


class _Thresholds(_Strict):
    mode: Literal["absolute"]
    steps: list[_Step] = Field(min_length=1)


class _Defaults(_Strict):
    unit: str = "short"
    mappings: list[Any] = Field(default_factory=list)
    custom: dict[str, Any] = Field(default_factory=dict)
    thresholds: _Thresholds


class _Fields(_Strict):
    defaults: _Defaults
    overrides: list[Any] = Field(max_length=0)


class _Target(_Strict):
    refId: str = Field(pattern="^[A-Z]$")  # noqa: N815 - Grafana's name
    datasource: _Source
    expr: str = Field(min_length=1)
    legendFormat: str  # noqa: N815 - Grafana's name
    editorMode: Literal["code"]  # noqa: N815 - Grafana's name


class _Grid(_Strict):
    x: int = Field(ge=0, le=16)
    y: int = Field(ge=0)
    w: Literal[8]
    h: Literal[8]


class _Panel(_Strict):
    id: int = Field(ge=1)
    type: Literal["stat", "state-timeline", "timeseries"]  # of Grafana's own
    title: str = Field(min_length=1)
    description: str = ""
    datasource: _Source
    targets: list[_Target] = Field(min_length=1)
    fieldConfig: _Fields  # noqa: N815 - Grafana's name
    options: dict[str, Any]
    gridPos: _Grid  # noqa: N815 - Grafana's name


class _Dashboard(_Strict):
    uid: str = Field(pattern="^[a-z-]{1,40}$")
    title: str
    description: str
    tags: list[str]
    schemaVersion: Literal[41]  # noqa: N815 - Grafana's name
    version: int
    editable: bool
    timezone: Literal["utc"]
    refresh: str = Field(pattern="^[0-9]+[sm]$")
    time: dict[Literal["from", "to"], str]
    templating: dict[Literal["list"], list[dict[str, Any]]]
    annotations: dict[Literal["list"], list[Any]]
    panels: list[_Panel]


@cache
def board() -> _Dashboard:
    return _Dashboard.model_validate_json(files("abaco", ROOT)[DASHBOARD])


def test_the_dashboard_has_a_panel_for_each_signal_and_chooses_environment_and_instance() -> None:
    mapping = yaml.safe_load((ROOT / "roles" / "watch" / "prometheus.yml").read_text())
    titles = [panel.title for panel in board().panels]
    signals = [rule.signal for rule in shipped().rules] + [metric.signal for metric in shipped().metrics]
    words = {signal.name: signal.entry.words for signal in signals}
    assert {words[name] for name in mapping["signals"] if name != "looks"} <= set(titles)
    assert len(titles) == len(set(titles)) == len(mapping["signals"]) + 1
    assert len({panel.id for panel in board().panels}) == len(titles)
    assert len({(panel.gridPos.x, panel.gridPos.y) for panel in board().panels}) == len(titles)
    assert [variable["name"] for variable in board().templating["list"]] == ["datasource", "environment", "instance"]
    for panel in board().panels:
        refs = [target.refId for target in panel.targets]
        assert len(refs) == len(set(refs))
        assert all("$instance" in target.expr and "$environment" in target.expr for target in panel.targets)


def test_limits_are_lines_in_the_order_of_their_values() -> None:
    drawn = {panel.title: panel.fieldConfig.defaults for panel in board().panels}
    latency = drawn["the mean latency of a tape"]
    assert [(step.color, step.value) for step in latency.thresholds.steps] == [
        ("green", None), ("yellow", 100), ("orange", 500), ("red", 60000),
    ]  # fmt: skip
    assert (latency.unit, latency.custom["thresholdsStyle"]) == ("ms", {"mode": "line"})
    fewer = drawn["the number of audit events"]
    assert [(step.color, step.value) for step in fewer.thresholds.steps] == [("yellow", None), ("green", 100)]
    for defaults in drawn.values():
        values = [step.value for step in defaults.thresholds.steps]
        assert values[0] is None
        assert values[1:] == sorted(value for value in values[1:] if value is not None)


def test_every_panel_asks_for_what_is_recorded() -> None:
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    asked = {target.expr.partition("{")[0] for panel in board().panels[2:] for target in panel.targets}
    assert asked <= recorded
    assert len(asked) > 25


@needs_promtool
def test_promtool_parses_every_expression_of_the_dashboard(tmp_path: Path) -> None:
    exprs = [target.expr for panel in board().panels for target in panel.targets]
    listed = [{"record": f"x:{at}", "expr": expr} for at, expr in enumerate(exprs)]
    (tmp_path / "all.yml").write_text(yaml.safe_dump({"groups": [{"name": "x", "rules": listed}]}))
    promtool("check", "rules", str(tmp_path / "all.yml"))
