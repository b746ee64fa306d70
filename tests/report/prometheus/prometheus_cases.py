"""The generated rules; for each alert what a service shows just past its limit, and just not: as promtool writes series, every 15 s."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import yaml

from cutover.monitor.rules.bounds import lower
from cutover.report.prometheus import queries_of
from tests.checkout import ROOT

STEP = 15
HOUR = 3600
SHORT, LONG = HOUR + 600, 5 * HOUR + 60  # when is looked whether it fires
OUTCOMES = ("processed", "rejected", "failed", "duplicate")

Series = dict[str, str]  # name with labels -> values


@cache
def rules() -> list[dict[str, Any]]:
    """What rules.yml of the service's Prometheus files holds."""
    (group,) = yaml.safe_load(queries_of("abaco", ROOT).text())["groups"]
    assert group["interval"] == f"{STEP}s"
    found: list[dict[str, Any]] = group["rules"]
    return found


def alerts() -> list[dict[str, Any]]:
    return [rule for rule in rules() if "alert" in rule and "rule" in rule["labels"]]


def own(name: str) -> list[dict[str, Any]]:
    """The alerts of one rule of the book."""
    return [alert for alert in alerts() if alert["labels"]["rule"] == name]


@dataclass(frozen=True)
class Case:
    """A service of its own, and whether an alert fires for it when all has been so for long enough."""

    rule: str
    level: str
    name: str
    series: Series
    fires: bool
    at: int = SHORT

    @property
    def instance(self) -> str:
        """The service's name."""
        return f"{self.rule}-{self.level}-{self.name}"


def steps(seconds: float) -> int:
    """How many samples that is."""
    return int(seconds // STEP)


def flat(value: float, before: float = 0.0, since: float = 0.0, until: float = SHORT) -> str:
    """`before`, and from `since` on `value`."""
    late = f"{value:.12g}+0x{steps(until - since)}"
    return f"{before:.12g}+0x{steps(since) - 1} {late}" if since else late


def ramp(an_hour: float, start: float = 0.0, until: float = SHORT) -> str:
    """What grows evenly."""
    return f"{start:.12g}+{an_hour * STEP / HOUR:.12g}x{steps(until)}"


def byar(part: int, whole: int) -> float:
    """The lower bound as roles/abaco/prometheus.yml has it."""
    if not part:
        return 0.0
    return float(part * max(0.0, 1 - 1 / (9 * part) - 1.6448536 / (3 * math.sqrt(part))) ** 3 / whole)


def boundary(limit: float, least: int) -> tuple[int, int]:
    """Bad events of so many, where one bad event less is below the limit; by the exact bound of the watch and by Byar's alike."""
    for whole in range(max(least, round(5 / limit)), round(50 / limit)):
        part = next(part for part in range(1, whole) if lower(part, whole) > limit)
        if byar(part, whole) > limit * 1.01 and byar(part - 1, whole) < limit * 0.99:
            return part, whole
    raise AssertionError(f"no boundary at {limit}")


def gauge(metric: str, times: float = 1.0) -> Callable[[float], Series]:
    """A figure as it stands there."""
    return lambda value: {metric: flat(value * times)}


def tapes(counts: dict[str, int], when: float = SHORT - 300) -> Series:
    """So many tapes of each outcome, at once."""
    return {f'abaco_tapes_total{{outcome="{kind}"}}': flat(counts.get(kind, 0), 0, when) for kind in OUTCOMES}


def latency(value: float) -> Series:
    """A tape every 15 s, each as long as that (ms)."""
    total = f"0+{value / 1000:.12g}x{steps(SHORT)}"
    return {"abaco_tape_latency_seconds_sum": total, "abaco_tape_latency_seconds_count": f"0+1x{steps(SHORT)}"}


def one_tape(value: float) -> Series:
    """A single tape, that long (ms)."""
    grown = {"abaco_tape_latency_seconds_sum": value / 1000, "abaco_tape_latency_seconds_count": 1}
    return {metric: flat(size, 0, SHORT - 300) for metric, size in grown.items()}


def cpu(value: float) -> Series:
    """Per cent of a core."""
    return {"process_cpu_seconds_total": f"0+{value / 100 * STEP:.12g}x{steps(SHORT)}"}


def standstill(idle: float, waiting: float) -> Series:
    """Both in seconds, at the moment of looking."""
    return {
        "abaco_tape_waiting_seconds": flat(waiting),
        "abaco_last_run_timestamp_seconds": flat(SHORT - idle),
        "process_start_time_seconds": flat(0),
    }


def restarts(count: int) -> Series:
    """So many in the last minutes."""
    lives = " ".join(f"{100 + life}+0x7" for life in range(count + 1))
    return {"process_start_time_seconds": f"1+0x{steps(SHORT) - 8 * (count + 1)} " + lives.replace("100+", "1+", 1)}


def growing(an_hour: float, until: int) -> Series:
    """Memory of one life that grows evenly: by such a share an hour of what it was two hours before the end, or at first."""
    slope = an_hour * 50e6 / (1 - an_hour * max(0.0, until / HOUR - 2))
    return {
        "process_resident_memory_bytes": ramp(slope, 50e6, until),
        "process_start_time_seconds": flat(1, until=until),
    }


def silence(value: float) -> Series:
    """Seconds since the last audit event, at the moment of looking."""
    return {"abaco_audit_last_event_timestamp_seconds": flat(SHORT - value)}


def kpi(then: float, now: float) -> Series:
    """A figure that moved ten minutes ago, beside one that did not."""
    return {'abaco_kpi{name="A"}': flat(now, then, SHORT - 600), 'abaco_kpi{name="B"}': flat(7)}


def share(rule: str, level: str, limit: float, least: int) -> Iterator[Case]:
    """Of tapes: one bad tape less, and too few tapes of which all are bad."""
    part, whole = boundary(limit, least)
    yield Case(rule, level, "past", tapes({"failed": part, "processed": whole - part}), fires=True)
    yield Case(rule, level, "short", tapes({"failed": part - 1, "processed": whole - part + 1}), fires=False)
    yield Case(rule, level, "refused", tapes({"rejected": part, "processed": whole - part}), fires=True)
    yield Case(rule, level, "few", tapes({"failed": least - 1}), fires=False)


def figure(rule: str, level: str, limit: float, made: Callable[[float], Series]) -> Iterator[Case]:
    """A figure a thousandth past its limit, and a thousandth short of it."""
    yield Case(rule, level, "past", made(limit * 1.001), fires=True)
    yield Case(rule, level, "short", made(limit * 0.999), fires=False)


def whole(rule: str, level: str, most: int, made: Callable[[int], Series]) -> Iterator[Case]:
    """A number of things: one more than the limit, and the limit itself."""
    yield Case(rule, level, "past", made(most + 1), fires=True)
    yield Case(rule, level, "short", made(most), fires=False)


def cases(limits: dict[str, dict[str, Any]]) -> list[Case]:
    """All of them, by the table of thresholds."""
    ms, rate = limits["kpi_latency_ms"], limits["error_rate"]
    memory, busy = gauge("process_resident_memory_bytes", 1048576.0), limits["cpu_percent"]
    found: list[Case] = [
        *whole("running", "critical", 0, lambda bad: {"up": flat(1 - bad)}),
        *whole("ready", "critical", 0, lambda bad: {"abaco_ready": flat(1 - bad)}),
        *(case for level in ms for case in figure("latency", level, ms[level], latency)),
        *(Case("latency", level, "few", one_tape(ms[level] * 2), fires=False) for level in ms),
        *figure("tape_at_hand", "rollback", ms["rollback"], gauge("abaco_tape_at_hand_seconds", 0.001)),
        Case("standstill", "rollback", "past", standstill(60.1, 60.1), fires=True),
        Case("standstill", "rollback", "moves", standstill(59.9, 4000), fires=False),
        Case("standstill", "rollback", "empty", standstill(4000, 59.9), fires=False),
        *figure("late_tape", "warn", limits["late_tape_seconds"]["warn"], gauge("abaco_tape_waiting_seconds")),
        *(case for level in ("warn", "critical", "rollback") for case in share("error_rate", level, rate[level], 10)),
        *share("error_burst", "rollback", rate["rollback"], 10),
        *(case for level in ("critical", "rollback") for case in share("error_rate_long", level, rate[level], 10)),
        *whole("errors_per_hour", "warn", limits["errors_per_hour"]["warn"], lambda n: tapes({"failed": n})),
        *quarantined(limits["quarantined_share"]["critical"]),
        *(case for level, most in limits["memory_mb"].items() for case in figure("memory", level, most, memory)),
        *(case for level, most in busy.items() for case in figure("cpu", level, most, cpu)),
        *whole("restarts", "warn", limits["restarts"]["warn"], restarts),
        *whole("crash_loop", "rollback", limits["crash_loop_restarts"]["rollback"], restarts),
        *figure("audit_silence", "warn", limits["audit_silence_seconds"]["warn"], silence),
        *whole("audit_cut", "rollback", 0, lambda gone: {"abaco_audit_events_total": flat(500 - gone, 500, SHORT - 120)}),
        *whole("tapes_without_audit", "rollback", 0, unrecorded),
        *whole("tape_lost", "rollback", 0, lambda lost: {"abaco_tapes_lost": flat(lost)}),
        *whole("tape_doubled", "rollback", 0, lambda doubled: {"abaco_tapes_doubled": flat(doubled)}),
        Case("audit_events_per_hour", "warn", "past", {"abaco_audit_production_events_total": ramp(99)}, fires=True),
        Case("audit_events_per_hour", "warn", "short", {"abaco_audit_production_events_total": ramp(100)}, fires=False),
        Case("audit_events_per_hour", "warn", "fresh", {"abaco_audit_production_events_total": f"_x{steps(900)} {ramp(9)}"}, fires=False),
        Case("kpi_drift", "warn", "past", kpi(10, 10.501), fires=True),
        Case("kpi_drift", "warn", "short", kpi(10, 10.499), fires=False),
        Case("kpi_drift", "warn", "floor", kpi(1, 1.0999), fires=False),
    ]  # fmt: skip
    growth = limits["memory_growth_per_hour"]
    for level, at in (("warn", SHORT), ("critical", LONG)):
        found.append(Case("memory_growth", level, "past", growing(growth[level] * 1.01, at), fires=True, at=at))
        found.append(Case("memory_growth", level, "short", growing(growth[level] * 0.99, at), fires=False, at=at))
        brief = dict.fromkeys(growing(growth[level], at), f"_x{steps(at - 2700)} {ramp(9e7, 50e6, 2700)}")
        brief["process_start_time_seconds"] = flat(1, until=at)
        found.append(Case("memory_growth", level, "few", brief, fires=False, at=at))
    return found


def quarantined(limit: float) -> Iterator[Case]:
    """Rows put aside."""
    part, of = boundary(limit, 1000)
    for name, bad, read in (("past", part, of), ("short", part - 1, of), ("few", 990, 990)):
        rows = {"abaco_rows_quarantined_total": bad, "abaco_rows_read_total": read}
        series = {metric: flat(count, 0, SHORT - 600) for metric, count in rows.items()}
        yield Case("quarantined_rows", "critical", name, series, fires=name == "past")


def unrecorded(bad: int) -> Series:
    """Tapes in every quarter of a minute, and an audit trail that says so or not."""
    return {
        'abaco_tapes_total{outcome="processed"}': f"0+0x0 0+1x{steps(SHORT - STEP)}",
        "abaco_audit_production_events_total": flat(9) if bad else ramp(960),
    }


def document(rule_file: str, found: list[Case]) -> dict[str, Any]:
    """What promtool takes as a test: all services at once, and for each whether its alert fires."""
    groups: list[dict[str, Any]] = []
    for at in sorted({case.at for case in found}):
        here = [case for case in found if case.at == at]
        series = [
            {"series": _labelled(name, case.instance), "values": values}
            for case in here
            for name, values in case.series.items()
        ]
        questions = [
            asked(f'rule="{case.rule}", severity="{case.level}", instance="{case.instance}"', at, fires=case.fires)
            for case in here
        ]
        groups.append({"interval": f"{STEP}s", "input_series": series, "promql_expr_test": questions})
    return {"rule_files": [rule_file], "evaluation_interval": f"{STEP}s", "tests": groups}


def asked(which: str, at: int, *, fires: bool) -> dict[str, Any]:
    """Whether an alert with these labels fires; as a query, since what it says is not the matter here."""
    samples = [{"labels": "{}", "value": 1}] if fires else []
    return {"expr": f'count(ALERTS{{{which}, alertstate="firing"}})', "eval_time": f"{at}s", "exp_samples": samples}


def _labelled(name: str, instance: str) -> str:
    metric, _, labels = name.partition("{")
    own = f'job="abaco", instance="{instance}"'
    return f"{metric}{{{own}, {labels}" if labels else f"{metric}{{{own}}}"
