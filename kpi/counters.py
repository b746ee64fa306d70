"""What the service counts since its start, for /metrics: tapes by outcome, errors by code, rows, latency, KPIs."""

import threading
from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kpi.exposition import Exposition, label

if TYPE_CHECKING:  # it brings numpy, and who only reads what is counted does without
    from kpi.inbox import TapeOutcome

BUCKETS_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0)
KINDS = ("processed", "rejected", "failed", "duplicate")
TAPES, CANARIES = "abaco_tapes_total", "abaco_canaries_total"
ROWS_READ, ROWS_USED, ROWS_QUARANTINED = "abaco_rows_read_total", "abaco_rows_total", "abaco_rows_quarantined_total"
REFUSED_WRITES = "abaco_output_errors_total"
LATENCY = "abaco_tape_latency_seconds"
KPI = "abaco_kpi"


@dataclass
class Counters:
    """Totals since the start; written by the worker, read by the web thread."""

    tapes: Counter[str] = field(default_factory=Counter)
    canaries: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    rows_read: int = 0
    rows_used: int = 0
    rows_quarantined: int = 0
    output_errors: int = 0
    last_run: float = 0.0
    last_success: float = 0.0
    latency_sum: float = 0.0
    latency_counts: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS_SECONDS) + 1))
    kpis: dict[str, float] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, outcome: "TapeOutcome", seconds: float, at: float) -> None:
        """Count one tape; canaries are counted apart and enter nothing else."""
        with self.lock:
            (self.canaries if outcome.canary else self.tapes)[outcome.kind] += 1
            if outcome.canary or outcome.run is None:
                return
            record = outcome.run.record
            self.last_run = at
            self.latency_sum += seconds
            for above in range(bisect_left(BUCKETS_SECONDS, seconds), len(self.latency_counts)):
                self.latency_counts[above] += 1
            self.errors.update(finding["code"] for finding in record["findings"])
            self.rows_read += record["tape"]["rows_read"]
            self.rows_quarantined += sum(record["tape"]["quarantined"].values())
            if outcome.run.accepted:
                self.rows_used += record["tape"]["rows_used"]
                self.last_success = at
                self.kpis = {name: kpi["value"] for name, kpi in record["kpis"].items() if kpi["value"] is not None}

    def count_refused_write(self) -> None:
        """Count one attempt that the disk refused."""
        with self.lock:
            self.output_errors += 1

    def expose(self, out: Exposition) -> None:
        """All of it."""
        with self.lock:
            for name, words, counted in (
                (TAPES, "Production tapes by outcome.", self.tapes),
                (CANARIES, "Canary tapes by outcome.", self.canaries),
            ):
                out.counter(name, words, {label(outcome=kind): counted[kind] for kind in KINDS})
            errors = {label(code=code): count for code, count in sorted(self.errors.items())}
            out.counter("abaco_errors_total", "Findings of production tapes by code.", errors)
            out.counter(ROWS_READ, "Rows of production tapes.", self.rows_read)
            out.counter(ROWS_USED, "Rows of accepted production tapes.", self.rows_used)
            out.counter(ROWS_QUARANTINED, "Rows quarantined, with a reason.", self.rows_quarantined)
            out.counter(REFUSED_WRITES, "Attempts that could not be written to disk.", self.output_errors)
            words = "From the claim of a tape to its commit."
            out.histogram(LATENCY, words, BUCKETS_SECONDS, self.latency_counts, self.latency_sum)
            out.gauge("abaco_last_run_timestamp_seconds", "When a tape last ended; 0: never.", self.last_run)
            words = "When a tape was last accepted; 0: never."
            out.gauge("abaco_last_success_timestamp_seconds", words, self.last_success)
            values = {label(name=name): value for name, value in self.kpis.items()}
            out.gauge(KPI, "KPIs of the latest accepted tape, unrounded.", values)
