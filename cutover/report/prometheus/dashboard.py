"""prometheus/dashboard.json: a Grafana dashboard with a panel for each signal, its limits drawn in; Grafana's own panels only."""

import json
from typing import Any

from cutover.monitor.rules.rulebook import Rule, Signal
from cutover.report.prometheus.alerts import limits
from cutover.report.prometheus.queries import Queries, duration

SCHEMA = 41  # Grafana 12; older ones read it too
COLORS = {"": "green", "warn": "yellow", "critical": "orange", "rollback": "red"}
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
CHOSEN = 'environment=~"$environment", instance=~"$instance"'
ACROSS, WIDTH, HEIGHT = 3, 8, 8  # Grafana's grid is 24 wide

Json = dict[str, Any]


def dashboard(queries: Queries) -> str:
    """The text of the file."""
    panels = [_up(queries), _firing(queries)]
    panels += [_panel(queries, name, uses) for name, uses in queries.signals.items() if uses[0].kind != "looks"]
    for at, panel in enumerate(panels):
        panel["id"] = at + 1
    _place(panels)
    document = {
        "uid": f"{queries.mapping.name}-watch",
        "title": f"{queries.mapping.name}: the watch",
        "description": "Written by `./invokew prometheus`; lines are the limits of rules.yml of the service. Do not edit here.",
        "tags": [queries.mapping.name, "watch"],
        "schemaVersion": SCHEMA,
        "version": 1,
        "editable": False,
        "timezone": "utc",
        "refresh": duration(max(5.0, queries.look_s)),
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": _variables(queries)},
        "annotations": {"list": []},
        "panels": panels,
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def _variables(queries: Queries) -> list[Json]:
    up = f"up{{{queries.mapping.job}}}"
    chosen = f'up{{{queries.mapping.job}, environment=~"$environment"}}'
    source = {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus"}
    return [source, _chosen("environment", up), _chosen("instance", chosen)]


def _chosen(label: str, series: str) -> Json:
    query = f"label_values({series}, {label})"
    return {
        "name": label,
        "label": label,
        "type": "query",
        "datasource": SOURCE,
        "query": {"query": query, "refId": label},
        "definition": query,
        "refresh": 2,  # whenever the time range changes: hosts come and go
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",  # also where nobody has set the label
        "current": {"text": "All", "value": "$__all"},
    }


def _up(queries: Queries) -> Json:
    steps = [{"color": "red", "value": None}, {"color": "green", "value": 1}]
    answers = [{"type": "value", "options": {"0": {"text": "no answer"}, "1": {"text": "answers"}}}]
    return {
        "type": "stat",
        "title": "whether each service answers",
        "datasource": SOURCE,
        "targets": [_target("A", f"up{{{queries.mapping.job}, {CHOSEN}}}", "{{instance}}")],
        "fieldConfig": {
            "defaults": {"mappings": answers, "thresholds": {"mode": "absolute", "steps": steps}},
            "overrides": [],
        },
        "options": {"colorMode": "background", "reduceOptions": {"calcs": ["lastNotNull"]}},
    }


def _firing(queries: Queries) -> Json:
    """Which alerts fire, over time; those without an instance too."""
    names = (
        f'service="{queries.mapping.name}", alertstate="firing", environment=~"$environment", instance=~"$instance|"'
    )
    expr = f"max by (instance, rule, metric, severity) (ALERTS{{{names}}})"
    steps = [{"color": "green", "value": None}, {"color": "red", "value": 1}]
    return {
        "type": "state-timeline",
        "title": "alerts that fire",
        "datasource": SOURCE,
        "targets": [_target("A", expr, "{{instance}} {{rule}}{{metric}} {{severity}}")],
        "fieldConfig": {"defaults": {"thresholds": {"mode": "absolute", "steps": steps}}, "overrides": []},
        "options": {
            "showValue": "never",
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": False},
        },
    }


def _panel(queries: Queries, name: str, uses: list[Signal]) -> Json:
    rules = [rule for rule in queries.rules if rule.signal.name == name]
    entry = uses[0].entry
    style = "line" if rules else "off"
    return {
        "type": "timeseries",
        "title": entry.words,
        "description": "\n\n".join(_told(rule) for rule in rules),
        "datasource": SOURCE,
        "targets": _targets(queries, uses, rules),
        "fieldConfig": {
            "defaults": {
                "unit": queries.mapping.units.get(entry.unit, "short"),
                "custom": {"lineWidth": 1, "fillOpacity": 0, "thresholdsStyle": {"mode": style}},
                "thresholds": {"mode": "absolute", "steps": _steps(queries, rules)},
            },
            "overrides": [],
        },
        "options": {
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
            "tooltip": {"mode": "multi"},
        },
    }


def _targets(queries: Queries, uses: list[Signal], rules: list[Rule]) -> list[Json]:
    """The signal over each of its windows, and its lower bound where that is what is judged."""
    shown = []
    for signal in uses:
        window = f" {duration(signal.window)}" if len(uses) > 1 else ""
        shown.append((queries.series(signal), f"{{{{instance}}}}{' {{name}}' * (signal.kind == 'values')}{window}"))
        if any(rule.bound and rule.signal.key == signal.key for rule in rules):
            shown.append((queries.series(signal, "lower"), f"{{{{instance}}}}{window} (lower bound)"))
    return [_target(chr(ord("A") + at), f"{series}{{{CHOSEN}}}", legend) for at, (series, legend) in enumerate(shown)]


def _target(ref: str, expr: str, legend: str) -> Json:
    return {"refId": ref, "datasource": SOURCE, "expr": expr, "legendFormat": legend, "editorMode": "code"}


def _steps(queries: Queries, rules: list[Rule]) -> list[Json]:
    """The limits as Grafana has them: each value is where another colour begins, from below."""
    drawn = {(limit.limit, limit.level) for rule in rules for limit in limits(queries, rule)}
    order = list(COLORS)
    ascending = sorted(drawn, key=lambda one: (one[0], order.index(one[1])))
    begins = [None, *(limit for limit, _ in ascending)]
    levels = ["", *(level for _, level in ascending)]
    if rules and rules[0].below:
        levels = [*levels[1:], ""]
    return [{"color": COLORS[level], "value": value} for level, value in zip(levels, begins, strict=True)]


def _told(rule: Rule) -> str:
    return f"**{rule.name}**: {rule.words} {rule.next}"


def _place(panels: list[Json]) -> None:
    for at, panel in enumerate(panels):
        panel["gridPos"] = {"x": at % ACROSS * WIDTH, "y": at // ACROSS * HEIGHT, "w": WIDTH, "h": HEIGHT}
