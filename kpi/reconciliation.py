"""Reconciliation of all delivered tapes for /metrics: done on a scrape, at most every few seconds, however many scrape."""

import threading
import time
from typing import TYPE_CHECKING

from kpi.config import PipelineConfig
from kpi.exposition import Exposition

if TYPE_CHECKING:
    from kpi.validation.ledger import Stock

EVERY_SECONDS = 10.0
WAIT_SECONDS = 1.0  # for many tapes; after that the previous result is shown, so that /metrics is not late
NEWEST = 2000  # deliveries that are followed one by one; of older ones it is seen that they balance


class Reconciliation:
    """Run by the web threads; the worker, whose work is checked, takes no part."""

    def __init__(self, config: PipelineConfig) -> None:
        self._config = config
        self._done_at = float("-inf")
        self._result: Stock | None = None
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def expose(self, out: Exposition) -> None:
        """Its metrics; without a reconciliation the samples are missing, never 0."""
        result = self._latest()
        waiting = max(0.0, result.waiting_s) if result else None
        out.gauge("abaco_tape_waiting_seconds", "Since the oldest tape was delivered that has not ended.", waiting)
        lost, doubled = (len(result.lost), len(result.doubled)) if result else (None, None)
        out.gauge("abaco_tapes_lost", "Tapes that were delivered and are nowhere.", lost)
        out.gauge("abaco_tapes_doubled", "Tapes that were processed twice.", doubled)

    def _latest(self) -> "Stock | None":
        with self._lock:
            under_way = self._thread is not None and self._thread.is_alive()
            if not under_way and time.monotonic() - self._done_at >= EVERY_SECONDS:
                self._thread = threading.Thread(target=self._run, name="reconciliation", daemon=True)
                self._thread.start()
            thread = self._thread
        if thread:
            thread.join(WAIT_SECONDS)
        return self._result

    def _run(self) -> None:
        from kpi.validation.ledger import reconcile  # not needed to start, and an outage lasts until the start is over

        try:
            self._result = reconcile(self._config, NEWEST) if self._config.arrivals.is_file() else None
        except OSError:
            self._result = None  # shown as missing samples
        self._done_at = time.monotonic()
