"""roles/<service>/prometheus/dashboard.json: a Grafana dashboard with a panel for each signal, the limits of its rules drawn in."""

import json
from typing import Any

from cutover.inventory.schema import words
from cutover.monitor.rules.rulebook import Rule, Signal
from cutover.report.prometheus import Queries, signals_of

SCHEMA = 41  # Grafana 12; older ones read it too
COLORS = {"": "green", "warn": "yellow", "critical": "orange", "rollback": "red"}
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
CHOSEN = 'environment=~"$environment", instance=~"$instance"'
ACROSS, WIDTH, HEIGHT = 3, 8, 8  # Grafana's grid is 24 wide

Json = dict[str, Any]


def dashboard(queries: Queries) -> str:
    """The text of the file."""
    job, name = queries.promql.job, queries.promql.name
    firing = f'ALERTS{{service="{name}", alertstate="firing", environment=~"$environment", instance=~"$instance|"}}'
    panels = [
        _panel("the service answers", "stat", [(f"up{{{job}, {CHOSEN}}}", "{{instance}}")], [("red", None), ("green", 1)]),
        _panel(
            "alerts that fire", "state-timeline", [(firing, "{{instance}} {{alertname}} {{severity}}")],
            [("green", None), ("red", 1)],
        ),
    ]  # fmt: skip
    signals = signals_of(queries.book)
    panels += [_of_signal(queries, signals[one]) for one in queries.promql.signals if signals[one][0].kind != "looks"]
    for at, panel in enumerate(panels):
        panel["id"] = at + 1
        panel["gridPos"] = {"x": at % ACROSS * WIDTH, "y": at // ACROSS * HEIGHT, "w": WIDTH, "h": HEIGHT}
    document = {
        "uid": f"{name}-watch",
        "title": f"{name}: the watch",
        "description": "Written by `./invokew prometheus`: do not edit here.",
        "schemaVersion": SCHEMA,
        "timezone": "utc",
        "refresh": words(max(5.0, queries.look_s)),
        "time": {"from": "now-6h", "to": "now"},
        "templating": {
            "list": [
                {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus"},
                _variable("environment", f"up{{{job}}}"),
                _variable("instance", f'up{{{job}, environment=~"$environment"}}'),
            ]
        },
        "panels": panels,
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def _variable(label: str, series: str) -> Json:
    query = f"label_values({series}, {label})"
    return {
        "name": label,
        "type": "query",
        "datasource": SOURCE,
        "query": {"query": query, "refId": label},
        "refresh": 2,  # whenever the time range changes: hosts come and go
        "multi": True,
        "includeAll": True,
        "allValue": ".*",  # also where nobody has set the label
        "current": {"text": "All", "value": "$__all"},
    }


def _of_signal(queries: Queries, uses: list[Signal]) -> Json:
    """The signal over each of its windows, its lower bound where that is what is judged, and what its rules say."""
    rules = [rule for rule in queries.book.rules if rule.signal.name == uses[0].name]
    shown = []
    for signal in uses:
        legend = " ".join(
            ["{{instance}}", *["{{name}}"] * (signal.kind == "values"), *[words(signal.window)] * (len(uses) > 1)]
        )
        shown.append((queries.series(signal), legend))
        if any(rule.bound and rule.signal.key == signal.key for rule in rules):
            shown.append((queries.series(signal, "lower"), f"{legend} (lower bound)"))
    asked = [(f"{series}{{{CHOSEN}}}", legend) for series, legend in shown]
    entry = uses[0].entry
    panel = _panel(
        f"{entry.words} ({entry.unit})" if entry.unit else entry.words, "timeseries", asked, _limits(queries, rules)
    )
    panel["description"] = "\n\n".join(f"**{rule.name}**: {rule.words} {rule.next}" for rule in rules)
    panel["fieldConfig"]["defaults"]["custom"] = {
        "fillOpacity": 0,
        "thresholdsStyle": {"mode": "line" if rules else "off"},
    }
    return panel


def _limits(queries: Queries, rules: list[Rule]) -> list[tuple[str, float | None]]:
    """The limits as Grafana has them: each value is where another color begins, from below."""
    drawn = {(limit.limit, list(COLORS).index(limit.level)) for rule in rules for limit in queries.limits(rule)}
    begins, levels = [None, *(limit for limit, _ in sorted(drawn))], [0, *(level for _, level in sorted(drawn))]
    if rules and rules[0].below:
        levels = [*levels[1:], 0]
    return [(list(COLORS.values())[level], begin) for level, begin in zip(levels, begins, strict=True)]


def _panel(title: str, kind: str, asked: list[tuple[str, str]], steps: list[tuple[str, float | None]]) -> Json:
    targets = [
        {"refId": chr(ord("A") + at), "datasource": SOURCE, "expr": expr, "legendFormat": legend}
        for at, (expr, legend) in enumerate(asked)
    ]
    colored = [{"color": color, "value": begin} for color, begin in steps]
    defaults = {"thresholds": {"mode": "absolute", "steps": colored}}
    return {
        "type": kind,
        "title": title,
        "datasource": SOURCE,
        "targets": targets,
        "fieldConfig": {"defaults": defaults, "overrides": []},
    }
