"""The account of all delivered tapes for /metrics: taken when somebody asks, and at most every few seconds, however many ask."""

import threading
import time
from typing import TYPE_CHECKING

from kpi.config import PipelineConfig
from kpi.exposition import Exposition

if TYPE_CHECKING:
    from kpi.validation.ledger import Stock

EVERY_SECONDS = 10.0
WAIT_SECONDS = 1.0  # for an account of many tapes; after that the one before is shown, and /metrics is not late
NEWEST = 2000  # deliveries that are followed one by one; of older ones it is seen that they balance


class Stocktaking:
    """Asked by the web threads; the worker, whose account it is, has no part in it."""

    def __init__(self, config: PipelineConfig) -> None:
        self._config = config
        self._taken = float("-inf")
        self._stock: Stock | None = None
        self._taking: threading.Thread | None = None
        self._lock = threading.Lock()

    def expose(self, out: Exposition) -> None:
        """What of it is a figure; where there is no account, the samples are missing and are not 0."""
        stock = self._latest()
        waiting = max(0.0, stock.waiting_s) if stock else None
        out.gauge("abaco_tape_waiting_seconds", "Since the oldest tape was delivered that has not ended.", waiting)
        lost, doubled = (len(stock.lost), len(stock.doubled)) if stock else (None, None)
        out.gauge("abaco_tapes_lost", "Tapes that were delivered and are nowhere.", lost)
        out.gauge("abaco_tapes_doubled", "Tapes that were processed twice.", doubled)

    def _latest(self) -> "Stock | None":
        with self._lock:
            under_way = self._taking is not None and self._taking.is_alive()
            if not under_way and time.monotonic() - self._taken >= EVERY_SECONDS:
                self._taking = threading.Thread(target=self._take, name="stock", daemon=True)
                self._taking.start()
            taking = self._taking
        if taking:
            taking.join(WAIT_SECONDS)
        return self._stock

    def _take(self) -> None:
        from kpi.validation.ledger import take_stock  # not needed to start, and an outage lasts until the start is over

        try:
            self._stock = take_stock(self._config, NEWEST) if self._config.arrivals.is_file() else None
        except OSError:
            self._stock = None  # shown as missing samples
        self._taken = time.monotonic()
