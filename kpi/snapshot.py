"""A snapshot of the live service: cheap enough for every few seconds; it measures and does not judge.

What could not be measured is null with a line in `errors_found`, never 0 and never left out. Between the validations,
which read more, it follows the newest part of the audit trail and the newest deliveries, and checks that the rest balances.
"""

import time
from collections.abc import Mapping
from typing import Any

from kpi import clock
from kpi.audit import Record, Verification, production
from kpi.committed import split_key
from kpi.config import PipelineConfig
from kpi.counters import CANARIES, KINDS, KPI, LATENCY, REFUSED_WRITES, ROWS_QUARANTINED, ROWS_READ, ROWS_USED, TAPES
from kpi.exposition import label
from kpi.outputs import LATEST, MANIFEST, output_paths
from kpi.validation.ledger import reconcile
from kpi.validation.live import Health, ask_health, ask_metrics, production_runs, read_json, read_trail, since_start
from kpi.verdict import Verdict

ANSWER_SECONDS = 3.0  # a slower service is missed in this snapshot; the next one comes soon
MARGIN_SECONDS = 1.0
LISTED = 10
NEWEST = 2000  # deliveries that each snapshot follows one by one; of older ones it checks that they balance
ROWS = {"read": ROWS_READ, "used": ROWS_USED, "quarantined": ROWS_QUARANTINED}

Part = dict[str, Any]
Metrics = Mapping[str, float]


class Unmeasured(Exception):
    """A part could not be measured; the message says why."""


def snapshot(config: PipelineConfig) -> tuple[Verdict, Part]:
    """Measure once: PASS when all could be measured, else INCONCLUSIVE; the document is whole either way."""
    at, missed = clock.stamp(), list[str]()
    health = ask_health(config, ANSWER_SECONDS)  # before the trail, which then goes at least as far as it says
    metrics = {} if health.error else ask_metrics(config, ANSWER_SECONDS)
    if not metrics:
        missed.append(health.error or "/metrics gives no readable answer")
    seen = _trail(config, missed)
    counted = _counted(metrics, missed) if metrics else dict.fromkeys(("tapes", "canaries", "errors", "rows", "kpis"))
    latency, stock = _latency(config, metrics, missed), None
    try:
        stock, latency["waiting_s"] = _stock(config)
    except (OSError, Unmeasured) as error:
        missed.append(f"stock: {error}")
    document = {
        "release": health.document.get("release"),
        "pid": health.document.get("pid"),
        "at": at,
        **counted,
        "latency": latency,
        "audit": _audit(seen, health) if seen else None,
        "stock": stock,
        "outputs": _outputs(config, seen, missed) if seen else None,
        "errors_found": missed,
    }
    verdict = Verdict.INCONCLUSIVE if missed else Verdict.PASS
    return verdict, {"status": str(verdict), **document}


def _counted(metrics: Metrics, missed: list[str]) -> Part:
    """What the service has counted since its start; `errors` are tapes that did not come through, and refused writes."""
    try:
        tapes, canaries = ({kind: _whole(metrics, name, kind) for kind in KINDS} for name in (TAPES, CANARIES))
        return {
            "tapes": tapes,
            "canaries": canaries,
            "errors": tapes["rejected"] + tapes["failed"] + _whole(metrics, REFUSED_WRITES),
            "rows": {short: _whole(metrics, name) for short, name in ROWS.items()},
            "kpis": _kpis(metrics),
        }
    except Unmeasured as error:
        missed.append(str(error))
        return dict.fromkeys(("tapes", "canaries", "errors", "rows", "kpis"))


def _whole(metrics: Metrics, name: str, outcome: str = "") -> int:
    return int(_sample(metrics, f"{name}{{{label(outcome=outcome)}}}" if outcome else name))


def _sample(metrics: Metrics, name: str) -> float:
    if name not in metrics:
        raise Unmeasured(f"/metrics has no {name}")
    return metrics[name]


def _kpis(metrics: Metrics) -> dict[str, float]:
    """Of the latest accepted tape; empty until there was one."""
    before, after = f'{KPI}{{name="', '"}'
    return {
        name.removeprefix(before).removesuffix(after): value
        for name, value in metrics.items()
        if name.startswith(before)
    }


def _latency(config: PipelineConfig, metrics: Metrics, missed: list[str]) -> Part:
    """Seconds of the tapes that ended, from claim to commit; and those of the one that has not ended yet."""
    latency: Part = {"count": None, "sum_s": None, "at_hand_s": None, "waiting_s": None}
    try:
        latency["at_hand_s"] = _at_hand(config)
        if metrics:
            latency |= {"count": _whole(metrics, f"{LATENCY}_count"), "sum_s": _sample(metrics, f"{LATENCY}_sum")}
    except (OSError, Unmeasured) as error:
        missed.append(f"latency: {error}")
    return latency


def _at_hand(config: PipelineConfig) -> float:
    """For how long the tape that is in processing has been there: its inode was last changed by the move into it."""
    claimed = [path for path in config.paths["processing"].iterdir() if split_key(path.name)[0]]
    since = []
    for path in claimed:
        try:
            since.append(path.stat().st_ctime)
        except FileNotFoundError:
            continue  # it has just ended
    return round(max(0.0, time.time() - min(since)), 3) if since else 0.0


def _trail(config: PipelineConfig, missed: list[str]) -> Verification | None:
    try:
        return read_trail(config, newest=True)
    except OSError as error:
        missed.append(f"audit: {error}")
        return None


def _audit(seen: Verification, health: Health) -> Part:
    problems = [f"{problem.where}: {problem.found}" for problem in seen.problems]
    said = int(health.document.get("audit", {}).get("seq", 0))
    if seen.seq < said:
        problems.append(f"the service has recorded {said} events, the trail ends at {seen.seq}")
    if not seen.records:
        problems.append("there are no events")
    own = production(seen.records)  # a canary of ours breaks no silence
    last = own.last_at or None
    return {
        "events": seen.seq,
        "production_events": own.events,
        "last_event_at": last,
        "silence_s": round(max(0.0, (clock.now() - clock.parse(last)).total_seconds()), 3) if last else None,
        "problems": problems,
        "runs": own.runs,
    }


def _stock(config: PipelineConfig) -> tuple[Part, float]:
    """The account of all tapes that were delivered, and since when the oldest waits that has not ended."""
    if not config.arrivals.is_file():
        raise Unmeasured(f"{config.arrivals} is not there: a lost tape could not be noticed")
    stock = reconcile(config, NEWEST)
    listed = {name: getattr(stock, name) for name in ("lost", "doubled", "late", "unledgered", "unreadable")}
    return {
        "arrivals": stock.arrivals,
        "done": stock.done,
        "rejected": stock.rejected,
        "duplicates": stock.duplicates,
        "in_flight": stock.in_flight,
        **{name: entries[:LISTED] for name, entries in listed.items()},
        **{f"{name}_count": len(entries) for name, entries in listed.items()},
    }, round(max(0.0, stock.waiting_s), 3)


def _outputs(config: PipelineConfig, seen: Verification, missed: list[str]) -> Part | None:
    """Whether each output of the newest tape is there and of it; nothing is missing while no tape has ended since the start."""
    try:
        runs = production_runs(since_start(config, seen, 1))
        return _outputs_of(config, runs) if runs else {"missing": [], "newest_age_s": None, "stale": []}
    except OSError as error:
        missed.append(f"outputs: {error}")
        return None


def _outputs_of(config: PipelineConfig, runs: list[Record]) -> Part:
    newest = runs[-1]["details"]
    paths = output_paths(config.paths["metrics"], newest["sha256"], config.outputs)
    names = {MANIFEST if kind == "manifest" else kind: path for kind, path in paths.items()}
    written = {kind: path.stat() for kind, path in names.items() if path.is_file()}
    stale = [kind for kind, file in written.items() if file.st_mtime < _began(runs[-1])]
    accepted = [run for run in runs if run["event"] == "run_completed"]
    if accepted and _finished(read_json(config.paths["metrics"] / LATEST)) < _began(accepted[-1]):
        stale.append(LATEST)
    return {
        "missing": [kind for kind in names if kind not in written or not written[kind].st_size],
        "newest_age_s": round(max(0.0, time.time() - clock.parse(runs[-1]["at"]).timestamp()), 3),
        "stale": stale,
    }


def _began(run: Record) -> float:
    """A moment that is safely before the outputs of a run were written, in seconds since 1970."""
    ended = clock.parse(run["at"]).timestamp()
    took_ms: float = sum(run["details"]["latency_ms"].values())
    return ended - took_ms / 1000.0 - MARGIN_SECONDS


def _finished(record: Part) -> float:
    """When the run of a record ended; 0 where the record does not say so, as one that is missing or damaged."""
    try:
        return clock.parse(str(record["finished_at"])).timestamp()
    except (KeyError, ValueError):
        return 0.0
