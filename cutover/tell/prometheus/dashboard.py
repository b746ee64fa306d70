"""prometheus/dashboard.json: a Grafana dashboard with a panel for each signal, its limits drawn in; Grafana's own panels only."""

import json
from typing import Any

from cutover.decide.watch.rulebook import Rule, Signal
from cutover.tell.prometheus.alerts import limits
from cutover.tell.prometheus.queries import Queries, duration

SCHEMA = 41  # Grafana 12; older ones read it too
COLORS = {"": "green", "warn": "yellow", "critical": "orange", "rollback": "red"}
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
CHOSEN = 'environment=~"$environment", instance=~"$instance"'
ACROSS, WIDTH, HEIGHT = 3, 8, 8  # Grafana's grid is 24 wide

Json = dict[str, Any]


def dashboard(queries: Queries) -> str:
    """The text of the file."""
    panels = [_up(queries), _firing(queries)]
    for at, (name, uses) in enumerate(queries.signals.items()):
        if uses[0].kind != "looks":
            panels.append(_panel(queries, name, uses))
    for at, panel in enumerate(panels):
        panel["id"] = at + 1
    _place(panels)
    document = {
        "uid": f"{queries.mapping.name}-watch",
        "title": f"{queries.mapping.name}: the watch",
        "description": "Written by `invoke prometheus`; lines are the limits of roles/watch/rules.yml. Do not edit here.",
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
