"""The long-running unit: takes tapes from the inbox until SIGTERM, and says how it is."""

import os
import signal
import sys
import threading
import time
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from kpi import VERSION, clock, vitals
from kpi.audit import AuditTrail, Event
from kpi.config import PipelineConfig
from kpi.counters import Counters
from kpi.exposition import Exposition, label
from kpi.findings import Finding, KpiError, UsageError
from kpi.inbox import HELD, Inbox, TapeOutcome
from kpi.liveness import Liveness
from kpi.notify import Notifier
from kpi.personal import Privacy
from kpi.reconciliation import Reconciliation
from kpi.release import UNRELEASED, code_digest, release_id
from kpi.selftest import self_test
from kpi.web import Web

RETRY_SECONDS = 2.0


class PipelineService:
    """One worker (the main thread); a thread each for the web, the watchdog and signals."""

    def __init__(self, config: PipelineConfig) -> None:
        self._config = config
        self._stop = threading.Event()
        self._inbox: Inbox | None = None
        self._counters = Counters()
        self._last_run: dict[str, Any] | None = None
        self._liveness = Liveness(config.stall_seconds)
        self._notifier = Notifier()
        self._reconciliation = Reconciliation(config)
        self._started = vitals.started_at()  # once: setting the clock is not a restart
        self._begun: float | None = None  # when the tape at hand was
        _refuse_other_release(config)
        Privacy.of(config.document.get("personal"))  # a key that cannot be relied on is found before the first tape
        self._trail = _open_trail(config.paths["audit"])
        self._web = Web(config.address, self._health, self._metrics)

    def run(self) -> int:
        """Serve until SIGTERM or SIGINT; the exit status."""
        # A handler only notes: it may interrupt what holds the lock that setting the event needs.
        noted: SimpleQueue[int] = SimpleQueue()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda number, _: noted.put(number))
        threading.Thread(target=self._listen, args=(noted,), name="signals", daemon=True).start()
        self_test()
        inbox = self._inbox = self._begin()
        self._web.start()
        self._liveness.reason = ""
        self._notifier.send("READY=1", f"STATUS=serving on port {self._web.port}")
        _log(f"ready: release {release_id()}, port {self._web.port}, root {self._config.root}")
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()
        self._work(inbox)
        return self._end()

    def _listen(self, noted: SimpleQueue[int]) -> None:
        noted.get()
        self._stop.set()

    def _begin(self) -> Inbox:
        known = {"pid": os.getpid(), "config": self._config.digest, "code": code_digest(), "version": VERSION}
        try:
            inbox = Inbox(self._config, self._trail, self._liveness.beat)
            self._trail.record([Event("service_started", details=known)])
        except OSError as error:
            raise _cannot_start(self._config.root, error) from error
        return inbox

    def _end(self) -> int:
        """Say that it stops; where that cannot be recorded, the exit status shows it."""
        self._liveness.stopping = True
        self._notifier.send("STOPPING=1")
        status = 0
        try:
            self._trail.record([Event("service_stopped", details={"pid": os.getpid()})])
        except OSError as error:
            _log(f"error: the stop could not be recorded: {error}")
            status = 1
        self._web.stop()
        self._trail.close()
        _log(
            "stopped: the tape at hand was finished"
            if not self._liveness.reason
            else f"stopped: {self._liveness.reason}"
        )
        return status

    def _work(self, inbox: Inbox) -> None:
        while not self._stop.is_set():
            self._liveness.beat()
            try:
                claimed = next(inbox.leftovers(), None)
                if claimed is None and (tape := inbox.next_tape()):
                    claimed = inbox.claim(tape)
                if claimed:
                    self._process(inbox, claimed)
                else:
                    self._liveness.reason = ""
                    self._stop.wait(self._config.poll_seconds)
            except OSError as error:
                self._hold_on(error)

    def _process(self, inbox: Inbox, claimed: Path) -> None:
        begun = self._begun = time.monotonic()
        try:
            outcome = inbox.finish(claimed)
        finally:
            self._begun = None
        seconds = time.monotonic() - begun
        self._liveness.reason = ""
        if outcome.kind == HELD:
            _log(f"error: held, and tried again later: {inbox.backoff.reasons()}")
            return
        self._counters.count(outcome, seconds, time.time())
        self._remember(claimed.name, outcome, seconds)

    def _hold_on(self, error: OSError) -> None:
        """The disk refuses: nothing is lost, the tape stays in processing, and it is tried again."""
        self._counters.count_refused_write()
        self._liveness.reason = f"cannot read or write: {error}"
        _log(f"error: {self._liveness.reason}; trying again in {RETRY_SECONDS:g} s")
        self._stop.wait(RETRY_SECONDS)

    def _remember(self, name: str, outcome: TapeOutcome, seconds: float) -> None:
        codes: list[str] = []
        if outcome.run:
            codes = sorted({finding["code"] for finding in outcome.run.record["findings"]})
        run_id = outcome.run.record["run_id"] if outcome.run else None
        run = {
            "tape": name,
            "outcome": outcome.kind,
            "run_id": run_id,
            "codes": codes,
            "at": clock.stamp(),
            "latency_ms": round(seconds * 1000, 3),
        }
        if not outcome.canary:
            self._last_run = run
        _log(
            f"{outcome.kind}{' canary' if outcome.canary else ''}: {name.rpartition('__')[2]} {run_id or ''} "
            f"{run['latency_ms']} ms {' '.join(codes)}".rstrip()
        )

    def _watch(self) -> None:
        """Feed systemd's watchdog while the worker gives signs of life; once it does not, systemd ends the service."""
        interval = (self._notifier.watchdog_seconds or 2 * self._config.stall_seconds) / 2
        reported = False
        while not self._stop.wait(interval):
            if not self._liveness.stalled:
                self._notifier.send("WATCHDOG=1")
                reported = False
            elif not reported:
                reported = True
                _log(f"error: {self._liveness.why_not_ready()}; the watchdog is not fed any more")

    def _health(self) -> tuple[int, dict[str, Any]]:
        reason = self._why_not_ready()
        seq, digest = self._trail.position
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
            "held": self._held(),
            "audit": {"seq": seq, "hash": digest},
        }
        return (503 if reason else 200), document

    def _held(self) -> dict[str, str]:
        return self._inbox.backoff.reasons() if self._inbox else {}

    def _at_hand(self) -> float:
        begun = self._begun
        return 0.0 if begun is None else time.monotonic() - begun

    def _why_not_ready(self) -> str:
        return "stopping" if self._stop.is_set() else self._liveness.why_not_ready()

    def _metrics(self) -> str:
        out = Exposition()
        self._counters.expose(out)
        self._reconciliation.expose(out)
        out.gauge("abaco_tape_at_hand_seconds", "Since the tape at hand was begun; 0: none.", self._at_hand())
        out.counter("abaco_audit_events_total", "Events in the audit trail.", self._trail.seq)
        own = self._trail.production
        out.counter("abaco_audit_production_events_total", "Of them those of no canary.", own.events)
        last = clock.parse(own.last_at).timestamp() if own.last_at else None
        out.gauge("abaco_audit_last_event_timestamp_seconds", "When the last event of no canary was recorded.", last)
        out.gauge("abaco_ready", "1 when /healthz answers 200.", int(not self._why_not_ready()))
        out.gauge("abaco_tapes_held", "Tapes that something of their own is in the way of.", len(self._held()))
        out.gauge("abaco_worker_silent_seconds", "Since the worker's last sign of life.", self._liveness.silent_seconds)
        out.gauge("abaco_disk_free_bytes", "Free where the outputs are.", vitals.free_bytes(self._config.root))
        out.gauge("process_resident_memory_bytes", "Resident memory, with children.", vitals.memory_bytes(os.getpid()))
        out.counter("process_cpu_seconds_total", "Processor time used.", vitals.cpu_seconds())
        out.gauge("process_start_time_seconds", "When the process began.", self._started)
        build = label(version=VERSION, release=release_id(), code=code_digest()[:16])
        out.gauge("abaco_build_info", "What is running.", {build: 1})
        return out.text()


def _refuse_other_release(config: PipelineConfig) -> None:
    if release_id() not in (UNRELEASED, config.release):
        found = f"rendered for release {config.release}, and this is release {release_id()}"
        step = "render the config for this release, or start the release that it names"
        raise UsageError(Finding("config", f"{config.source}: release", found, step))


def _open_trail(directory: Path) -> AuditTrail:
    try:
        directory.mkdir(parents=True, exist_ok=True)
        return AuditTrail(directory, actor=f"kpi-service/{release_id()}")
    except OSError as error:
        raise _cannot_start(directory, error) from error


def _cannot_start(path: Path, error: OSError) -> KpiError:
    found = f"cannot be made or written: {error.strerror}"
    return UsageError(Finding("config", str(path), found, "create it with the service's user as owner, and free space"))


def _log(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
