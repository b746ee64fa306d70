"""What the service counts since its start, shown as Prometheus text."""

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from kpi.inbox import Outcome

BUCKETS_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0)
KINDS = ("processed", "rejected", "failed", "duplicate")


@dataclass
class Counters:
    """Totals since the start; written by the worker, read by the web thread."""

    tapes: Counter[str] = field(default_factory=Counter)
    canaries: Counter[str] = field(default_factory=Counter)
    rows: int = 0
    output_errors: int = 0
    last_success: float = 0.0
    latency_sum: float = 0.0
    latency_count: int = 0
    latency_buckets: list[int] = field(default_factory=lambda: [0] * len(BUCKETS_SECONDS))
    kpis: dict[str, float] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, outcome: Outcome, seconds: float, at: float) -> None:
        """Count one tape; canaries are counted apart and enter nothing else."""
        with self.lock:
            (self.canaries if outcome.canary else self.tapes)[outcome.kind] += 1
            if outcome.canary or outcome.run is None:
                return
            self.latency_count += 1
            self.latency_sum += seconds
            for at_bucket, bound in enumerate(BUCKETS_SECONDS):
                self.latency_buckets[at_bucket] += seconds <= bound
            if outcome.run.accepted:
                self.rows += outcome.run.record["tape"]["rows_used"]
                self.last_success = at
                kpis = outcome.run.record["kpis"]
                self.kpis = {name: kpi["value"] for name, kpi in kpis.items() if kpi["value"] is not None}

    def as_text(self, audit_events: int, ready: bool, build: dict[str, str]) -> str:
        """All of it in Prometheus' text format."""
        with self.lock:
            lines: list[str] = []
            tapes = {f'outcome="{kind}"': self.tapes[kind] for kind in KINDS}
            _metric(lines, "abaco_tapes_total", "counter", "Production tapes by outcome.", tapes)
            canaries = {f'outcome="{kind}"': self.canaries[kind] for kind in KINDS}
            _metric(lines, "abaco_canaries_total", "counter", "Canary tapes by outcome.", canaries)
            _metric(lines, "abaco_rows_total", "counter", "Rows of accepted production tapes.", {"": self.rows})
            _metric(
                lines,
                "abaco_output_errors_total",
                "counter",
                "Attempts that could not be written to disk.",
                {"": self.output_errors},
            )
            _metric(lines, "abaco_audit_events_total", "counter", "Events in the audit trail.", {"": audit_events})
            self._latency(lines)
            _metric(
                lines,
                "abaco_last_success_timestamp_seconds",
                "gauge",
                "When a tape was last accepted; 0: never.",
                {"": self.last_success},
            )
            values = {f'name="{name}"': value for name, value in self.kpis.items()}
            _metric(lines, "abaco_kpi", "gauge", "KPIs of the latest accepted tape, unrounded.", values)
            _metric(lines, "abaco_ready", "gauge", "1 when /healthz answers 200.", {"": int(ready)})
            labels = ",".join(f'{name}="{_escaped(value)}"' for name, value in build.items())
            _metric(lines, "abaco_build_info", "gauge", "What is running.", {labels: 1})
            return "\n".join(lines) + "\n"

    def _latency(self, lines: list[str]) -> None:
        name = "abaco_tape_latency_seconds"
        lines += [f"# HELP {name} From the claim of a tape to its commit.", f"# TYPE {name} histogram"]
        for bound, count in zip(BUCKETS_SECONDS, self.latency_buckets, strict=True):
            lines.append(f'{name}_bucket{{le="{bound:g}"}} {count}')
        lines.append(f'{name}_bucket{{le="+Inf"}} {self.latency_count}')
        lines += [f"{name}_sum {self.latency_sum!r}", f"{name}_count {self.latency_count}"]


def _metric(lines: list[str], name: str, kind: str, words: str, values: Mapping[str, float]) -> None:
    lines += [f"# HELP {name} {words}", f"# TYPE {name} {kind}"]
    lines += [f"{name}{'{' + labels + '}' if labels else ''} {value!r}" for labels, value in values.items()]


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
