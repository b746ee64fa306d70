"""The long-running unit: takes tapes from the inbox until it is told to stop, and says how it is."""

import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

from kpi import VERSION, clock
from kpi.audit import AuditTrail, Event
from kpi.config import PipelineConfig
from kpi.counters import Counters
from kpi.findings import Finding, UsageError
from kpi.inbox import Inbox, Outcome
from kpi.notify import Notifier
from kpi.release import UNRELEASED, code_digest, release_id
from kpi.selftest import self_test
from kpi.web import Web

RETRY_SECONDS = 2.0


class Service:
    """One worker (the main thread), one web thread, one watchdog thread."""

    def __init__(self, config: PipelineConfig) -> None:
        self._config = config
        self._stop = threading.Event()
        self._counters = Counters()
        self._reason = "starting"
        self._last_run: dict[str, Any] | None = None
        self._beat = time.monotonic()
        self._notifier = Notifier()
        _refuse_other_release(config)
        _make_directory(config.paths["audit"])
        self._trail = AuditTrail(config.paths["audit"], actor=f"kpi-service/{release_id()}")
        self._web = Web(config.address, self._health, self._metrics)

    def run(self) -> int:
        """Serve until SIGTERM or SIGINT; the exit status."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._stop.set())
        self_test()
        inbox = Inbox(self._config, self._trail, self._alive)
        known = {"pid": os.getpid(), "config": self._config.digest, "code": code_digest(), "version": VERSION}
        self._trail.record([Event("service_started", details=known)])
        self._web.start()
        self._reason = ""
        self._notifier.send("READY=1", f"STATUS=serving on port {self._web.port}")
        _log(f"ready: release {release_id()}, port {self._web.port}, root {self._config.root}")
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()
        self._work(inbox)
        self._reason = "stopping"
        self._notifier.send("STOPPING=1")
        self._trail.record([Event("service_stopped", details={"pid": os.getpid()})])
        self._web.stop()
        self._trail.close()
        _log("stopped: the tape at hand was finished")
        return 0

    def _work(self, inbox: Inbox) -> None:
        while not self._stop.is_set():
            self._alive()
            try:
                claimed = next(inbox.leftovers(), None)
                if claimed is None and (tape := inbox.next_tape()):
                    claimed = inbox.claim(tape)
                if claimed:
                    self._process(inbox, claimed)
                else:
                    self._reason = ""
                    self._stop.wait(self._config.poll_seconds)
            except OSError as error:
                self._hold_on(error)

    def _process(self, inbox: Inbox, claimed: Path) -> None:
        begun = time.monotonic()
        outcome = inbox.finish(claimed)
        seconds = time.monotonic() - begun
        self._reason = ""
        self._counters.count(outcome, seconds, time.time())
        self._remember(claimed.name, outcome, seconds)

    def _hold_on(self, error: OSError) -> None:
        """The disk refuses: nothing is lost, the tape stays in processing, and it is tried again."""
        self._counters.output_errors += 1
        self._reason = f"cannot read or write: {error}"
        _log(f"error: {self._reason}; trying again in {RETRY_SECONDS:g} s")
        self._stop.wait(RETRY_SECONDS)

    def _remember(self, name: str, outcome: Outcome, seconds: float) -> None:
        codes: list[str] = []
        if outcome.run:
            codes = sorted({finding["code"] for finding in outcome.run.record["findings"]})
        run_id = outcome.run.record["run_id"] if outcome.run else None
        told = {
            "tape": name,
            "outcome": outcome.kind,
            "run_id": run_id,
            "codes": codes,
            "at": clock.stamp(),
            "latency_ms": round(seconds * 1000, 3),
        }
        if not outcome.canary:
            self._last_run = told
        _log(
            f"{outcome.kind}{' canary' if outcome.canary else ''}: {name.rpartition('__')[2]} {run_id or ''} "
            f"{told['latency_ms']} ms {' '.join(codes)}".rstrip()
        )

    def _alive(self) -> None:
        self._beat = time.monotonic()

    def _stalled(self) -> bool:
        return time.monotonic() - self._beat > self._config.stall_seconds

    def _watch(self) -> None:
        interval = (self._notifier.watchdog_seconds or 0.0) / 2
        while interval and not self._stop.wait(interval):
            if not self._stalled():
                self._notifier.send("WATCHDOG=1")

    def _why_not_ready(self) -> str:
        if self._stop.is_set():
            return "stopping"
        if self._stalled():
            return f"the worker has given no sign of life for {time.monotonic() - self._beat:.0f} s"
        return self._reason

    def _health(self) -> tuple[int, dict[str, Any]]:
        reason = self._why_not_ready()
        document = {
            "ready": not reason,
            "reason": reason,
            "version": VERSION,
            "release": release_id(),
            "code": code_digest(),
            "config": self._config.digest,
            "environment": self._config.environment,
            "pid": os.getpid(),
            "last_run": self._last_run,
            "audit": {"seq": self._trail.seq, "hash": self._trail.hash},
        }
        return (503 if reason else 200), document

    def _metrics(self) -> str:
        build = {"version": VERSION, "release": release_id(), "code": code_digest()[:16]}
        return self._counters.as_text(self._trail.seq, not self._why_not_ready(), build)


def _refuse_other_release(config: PipelineConfig) -> None:
    if release_id() not in (UNRELEASED, config.release):
        found = f"rendered for release {config.release}, and this is release {release_id()}"
        step = "render the config for this release, or start the release that it names"
        raise UsageError(Finding("config", f"{config.source}: release", found, step))


def _make_directory(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        step = "create it with the service's user as owner"
        raise UsageError(Finding("config", str(path), f"cannot be made: {error.strerror}", step)) from error


def _log(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
