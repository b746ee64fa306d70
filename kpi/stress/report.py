"""What a stress run came to: errors, every tape once, the audit trail whole, latency, throughput, memory over time."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from kpi import clock
from kpi.audit import records_since, verify
from kpi.committed import REASON, is_redelivery, split_key
from kpi.config import PipelineConfig
from kpi.release import code_digest, release_id
from kpi.stress import memory
from kpi.stress.load import Load
from kpi.stress.stream import StreamTotals
from kpi.stress.subject import Subject
from kpi.verdict import Verdict, worst

Document = dict[str, Any]
LATENCY = "abaco_tape_latency_seconds"
LISTED = 10


def document(
    load: Load, seen: StreamTotals, subject: Subject, counters: dict[str, float], started: str
) -> tuple[Verdict, Document]:
    """The verdict and everything that was seen."""
    runs, ends = _trail(subject.config, started)
    checks = {
        "errors": _errors(seen, subject, counters),
        "tapes": _tapes(seen, subject.config),
        "audit_trail": _audit(subject.config, seen, ends),
        "latency": _latency(load, subject.config, counters, runs),
        "memory": _memory(load, seen, subject.config),
    }
    verdict = worst(Verdict(check["status"]) for check in checks.values())
    return verdict, {
        "release": release_id(),
        "code": code_digest(),
        "status": str(verdict),
        "verdict": str(verdict),
        "started_at": started,
        "timestamp": clock.stamp(),
        "load": {"iterations": load.most, "seconds": load.seconds, "rows": load.rows, "seed": load.seed},
        "iterations": seen.delivered,
        "seconds": round(seen.seconds, 2),
        "tapes_per_second": round(seen.tapes / seen.seconds, 1) if seen.seconds else None,
        "kinds": dict(seen.kinds.most_common()),
        "checks": checks,
        "issues": [issue for check in checks.values() for issue in check["issues"]],
    }


def _errors(seen: StreamTotals, subject: Subject, counters: dict[str, float]) -> Document:
    refused = counters.get("abaco_output_errors_total", 0.0)
    failed = counters.get('abaco_tapes_total{outcome="failed"}', 0.0)
    issues = [
        _fail(words, "see service.log and the reason file, with --root to keep them") for words in seen.error_words
    ]
    if refused:
        issues.append(_fail(f"{refused:g} times the service could not write", "see service.log, with --root"))
    if subject.exit_code != 0:
        found = f"the service ended with {subject.exit_code}: {subject.last_words()}"
        issues.append(_fail(found, "see service.log, with --root"))
    values = {"errors": seen.errors, "failed_inside": failed, "output_errors": refused, "exit_code": subject.exit_code}
    return _check(f"{seen.errors} errors in {seen.delivered} tapes", seen.delivered, values, issues)


def _tapes(seen: StreamTotals, config: PipelineConfig) -> Document:
    """All rooms are listed: every delivered content once, and nothing else."""
    found = Counter(key for room in ("done", "rejected") for key in _keys(config, room))
    duplicates = sum(1 for path in config.paths["rejected"].iterdir() if _is_duplicate(path.name))
    lost = [name for key, name in seen.keys.items() if key not in found]
    doubled = [seen.keys.get(key, key[:12]) for key, count in found.items() if count > 1]
    strange = [key[:12] for key in found if key not in seen.keys]
    waiting = [path.name for room in ("inbox", "processing") for path in config.paths[room].iterdir()]
    step = "keep the root (--root) and compare arrivals.jsonl with done/ and rejected/"
    listed = {"lost": lost, "twice": doubled, "never delivered": strange, "left over": waiting}
    issues = [_fail(f"{len(keys)} {words}: {', '.join(keys[:LISTED])}", step) for words, keys in listed.items() if keys]
    ended = found.total() + duplicates
    if ended != seen.delivered and not issues:
        issues.append(_fail(f"{seen.delivered} were delivered and {ended} ended", step))
    values = {
        "delivered": seen.delivered,
        "ended": dict(seen.ended),
        **{name: len(keys) for name, keys in listed.items()},
    }
    return _check(f"{seen.delivered} delivered, {ended} ended, each once", seen.delivered, values, issues)


def _keys(config: PipelineConfig, room: str) -> Iterator[str]:
    for path in config.paths[room].iterdir():
        key = split_key(path.name)[0]
        if key and not path.name.endswith(REASON) and not _is_duplicate(path.name):
            yield key


def _is_duplicate(name: str) -> bool:
    return is_redelivery(name) and not name.endswith(REASON)


def _trail(config: PipelineConfig, started: str) -> tuple[list[float], Counter[str]]:
    """From the audit trail, part by part: the milliseconds of each run, and how often each content was run to an end."""
    runs, ends = [], Counter[str]()
    for record in records_since(config.paths["audit"], started):
        if record["event"] in ("run_completed", "run_failed"):
            runs.append(sum(record["details"]["latency_ms"].values()))
            ends[record["details"]["sha256"]] += 1
    return sorted(runs), ends


def _audit(config: PipelineConfig, seen: StreamTotals, ends: Counter[str]) -> Document:
    verified = verify(config.paths["audit"])
    issues = [_fail(str(problem.found), problem.next) for problem in verified.problems]
    words = f"{verified.seq} events, chain {'broken' if issues else 'whole'}, {len(ends)} contents run once each"
    often = [seen.keys.get(key, key[:12]) for key, count in ends.items() if count > 1]
    silent = [name for key, name in seen.keys.items() if key not in ends]
    for found, keys in (("more than one run", often), ("no run", silent)):
        if keys:
            listed = ", ".join(keys[:LISTED])
            issues.append(_fail(f"{len(keys)} contents have {found} in the trail: {listed}", "see audit/, with --root"))
    values = {"events": verified.seq, "head": verified.hash, "runs": ends.total()}
    return _check(words, verified.seq, values, issues)


def _latency(load: Load, config: PipelineConfig, counters: dict[str, float], runs: list[float]) -> Document:
    if not runs:
        return _check("no tape was run", 0, {}, [])
    spread = {name: round(_percentile(runs, share), 3) for name, share in _PERCENTILES.items()}
    # The table's row is of 1 000 rows; a larger tape may take longer in proportion.
    scaled = spread["p95"] / max(1.0, load.rows / 1000.0)
    limits = config.limits("kpi_latency_ms")
    issues = []
    over = [level for level in ("warn", "critical") if scaled > limits[level]]
    if over:
        verdict = Verdict.FAIL if "critical" in over else Verdict.WARN
        found = f"95 % of the tapes take up to {scaled:.1f} ms a 1 000 rows, more than {limits[over[-1]]:g}"
        issues.append(_issue(verdict, found, "compare with the load of the host; run it again on a quiet one"))
    values = {"pipeline_ms": spread, "claim_to_commit_ms": _histogram(counters)}
    return _check(f"p50 {spread['p50']} ms, p99 {spread['p99']} ms", len(runs), values, issues, {"p95_ms": limits})


_PERCENTILES = {"p50": 0.50, "p95": 0.95, "p99": 0.99, "max": 1.0}


def _percentile(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _histogram(counters: dict[str, float]) -> Document:
    """From the claim to the commit, fsyncs and audit included, as the service's own histogram has it."""
    count = counters.get(f"{LATENCY}_count", 0.0)
    if not count:
        return {}
    bounds = [
        (float(name.split('"')[1]), below) for name, below in counters.items() if name.startswith(f"{LATENCY}_bucket")
    ]
    quantiles: Document = {"mean": round(counters[f"{LATENCY}_sum"] / count * 1000.0, 3)}
    for name, share in (("p50", 0.50), ("p95", 0.95), ("p99", 0.99)):
        bound = next((bound for bound, below in sorted(bounds) if below >= share * count), float("inf"))
        quantiles[f"{name}_at_most"] = bound * 1000.0 if bound != float("inf") else None
    return quantiles


def _memory(load: Load, seen: StreamTotals, config: PipelineConfig) -> Document:
    growth = memory.judge(seen.samples, load.growth_limit_mb)
    limits = config.limits("memory_mb")
    issues = []
    if growth.verdict is not Verdict.PASS:
        issues.append(
            _issue(growth.verdict, growth.words, "run it longer; a growth that stays is a leak: bisect releases")
        )
    peak = growth.values["peak_mb"] or 0.0
    over = [level for level in ("warn", "critical") if peak > limits[level]]
    if over:
        verdict = Verdict.FAIL if "critical" in over else Verdict.WARN
        issues.append(
            _issue(
                verdict, f"the peak is {peak:g} MB, more than {limits[over[-1]]:g}", "find out what is kept in memory"
            )
        )
    limits_told = {"mb_per_10000_tapes": load.growth_limit_mb, "peak_mb": limits}
    return _check(growth.words, len(seen.samples), growth.values, issues, limits_told)


def _check(
    words: str, n: int, values: Document, issues: list[Document], thresholds: Document | None = None
) -> Document:
    """One entry of `checks`; on nothing at all it is INCONCLUSIVE."""
    verdicts = [Verdict(issue["verdict"]) for issue in issues] or [Verdict.PASS if n else Verdict.INCONCLUSIVE]
    status = str(worst(verdicts))
    return {
        "status": status,
        "words": words,
        "n": n,
        "values": values,
        "thresholds": thresholds or {},
        "issues": issues[:LISTED],
    }


def _fail(found: str, step: str) -> Document:
    return _issue(Verdict.FAIL, found, step)


def _issue(verdict: Verdict, found: str, step: str) -> Document:
    return {"verdict": str(verdict), "found": found, "next": step}
