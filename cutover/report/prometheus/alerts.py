"""prometheus/rules.yml: what is recorded, and an alert for each level of each rule that Prometheus can judge."""

import textwrap
from typing import Any

import yaml

from cutover.monitor.rules.rulebook import STATES, Rule, Threshold
from cutover.report.prometheus.queries import Queries, duration

HEAD = """\
Written by `./invokew prometheus` from rules.yml and prometheus.yml of the service. Do not edit:
change those and run it again.

`severity`: warn and critical notify people; rollback is what the watch rolls back by itself, which Prometheus never does."""
PER_CENT = "percentunit"  # what Grafana calls a share of 1
OTHERS = "Rules that Prometheus cannot judge, since their signal is not on /metrics:"
UNWATCHED = "It is the watch that rolls back. Where none is running any more (`./invokew status`), nobody has: `./invokew rollback`."

Entry = dict[str, Any]


def rule_file(queries: Queries) -> str:
    """The text of the file."""
    name, interval = queries.mapping.name, duration(queries.look_s)
    recorded = [{"record": series, "expr": expr} for series, expr in queries.records()]
    alerts = [_alert(queries, rule, limit) for rule in queries.rules for limit in limits(queries, rule)]
    rules = [*recorded, *alerts, *_not_measured(queries)]  # one group: it is evaluated in this order
    body = yaml.dump(
        {"groups": [{"name": name, "interval": interval, "rules": rules}]},
        Dumper=_Readable,
        sort_keys=False,
        allow_unicode=True,
        width=1000,
    )
    return f"{_comment(queries)}\n{body}"


def camel(name: str) -> str:
    """A rule's name as alerts are called: error_rate -> ErrorRate."""
    return "".join(part.capitalize() for part in name.split("_"))


def limits(queries: Queries, rule: Rule) -> tuple[Threshold, ...]:
    """The limits of a rule; one that judges the samples themselves has the number that may fail."""
    return rule.limits or (Threshold("critical", 0.0, rule.fail_after * queries.look_s),)


def _alert(queries: Queries, rule: Rule, limit: Threshold) -> Entry:
    judged = queries.judged(rule)
    expr = f"{judged} {'<' if rule.below else '>'} {limit.limit:.12g}"
    if rule.least:
        expr += f" and {queries.series(rule.signal, 'n')} >= {rule.least}"
    entry: Entry = {"alert": camel(f"{queries.mapping.name}_{rule.name}"), "expr": expr}
    if limit.hold:
        entry["for"] = duration(limit.hold)
    where = "" if rule.signal.kind == "looks" else "{{ $labels.instance }}: "
    annotations = {
        "summary": where + _plain(rule.words),
        "description": _description(queries, rule, limit),
        "next": _plain(rule.next),
    }
    if limit.level == "rollback":
        annotations["unwatched"] = UNWATCHED
    return entry | {
        "labels": {"severity": limit.level, "rule": rule.name, "service": queries.mapping.name},
        "annotations": annotations,
    }


def _description(queries: Queries, rule: Rule, limit: Threshold) -> str:
    if rule.signal.kind in STATES or not rule.limits:
        seen = queries.mapping.signals[rule.signal.name].words
        return ", ".join(filter(None, [seen, _held(limit)]))
    what = _plain(rule.signal.entry.words)
    over = f" over {duration(rule.signal.window)}" if rule.signal.window else ""
    bound = "at least (lower 95 % bound) " if rule.bound else ""
    side = "less" if rule.below else "more"
    held = f", {_held(limit)}" if limit.hold else ""
    value, most = _figures(queries, rule, limit.limit)
    return f"{what}{over}: {bound}{value}, {side} than {most}{held}"


def _figures(queries: Queries, rule: Rule, limit: float) -> tuple[str, str]:
    """A template for the value, and the limit, with their unit; shares in per cent."""
    unit = rule.signal.entry.unit
    if queries.mapping.units.get(unit) == PER_CENT:
        rest = " an hour" if unit.endswith("/h") else ""
        return f"{{{{ $value | humanizePercentage }}}}{rest}", f"{limit * 100:g}%{rest}"
    return f'{{{{ $value | printf "%.4g" }}}} {unit}'.rstrip(), f"{limit:g} {unit}".rstrip()


def _held(limit: Threshold) -> str:
    return f"for {duration(limit.hold)}" if limit.hold else ""


def _not_measured(queries: Queries) -> list[Entry]:
    """A figure that is missing fires no alert of its own, so that it is missing is one."""
    hold = duration(max(rule.fail_after for rule in queries.rules) * queries.look_s)
    return [
        {
            "alert": camel(f"{queries.mapping.name}_not_measured"),
            "expr": f"up{{{queries.mapping.job}}} == 1 unless on (job, instance) {metric}",
            "for": hold,
            "labels": {"severity": "critical", "metric": metric, "service": queries.mapping.name},
            "annotations": {
                "summary": f"{{{{ $labels.instance }}}}: The service answers, and {metric} is missing.",
                "description": f"not measured is never PASS: what {metric} is needed for is not judged, for {hold}",
                "next": "Read the service's journal on the host; compare its release with the one that these rules were written for.",
            },
        }
        for metric in queries.mapping.always
    ]


def _plain(words: str) -> str:
    """Words of ours that are not to be taken for a template."""
    return words.replace("{{", '{{ "{{" }}')


def _comment(queries: Queries) -> str:
    lines = [*HEAD.splitlines(), "", OTHERS]
    for rule, why in queries.others:
        lines += textwrap.wrap(f"{rule.name}: {why}.", 130, initial_indent="  ", subsequent_indent="    ")
    return "\n".join(f"# {line}".rstrip() for line in lines)


class _Readable(yaml.SafeDumper):
    """YAML as people write it: lists stand in from the key that they belong to."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002 - the name and arguments are PyYAML's
        """Lists too."""
        super().increase_indent(flow, indentless=False)
