"""A simulated service: what a sample of it finds, one after the other, from a seed."""

import math
from dataclasses import dataclass, field
from random import Random
from typing import Any

from bench.watch.parameters import DAY, KPIS, LOOK_S, Parameters


@dataclass
class Faults:
    """What is wrong with the service now; nothing, in an A/A run. Regressions turn these on."""

    errors: float = 0.0
    slow: float = 1.0
    hangs: bool = False
    dead: bool = False
    unseen: bool = False
    mute: bool = False
    leak_an_hour: float = 0.0
    restart_every: float = 0.0
    drift_an_hour: float = 0.0
    lost: int = 0
    doubled: int = 0
    cut: int = 0
    breaks: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)


class SimulatedService:
    """The service between two looks: tapes arrive, are worked on, memory and KPIs wander."""

    def __init__(self, random: Random, parameters: Parameters) -> None:
        self.random, self.p, self.faults = random, parameters, Faults()
        self.t = 0.0
        self._phase = random.random()
        self._next = 0.0
        self._life, self._restarts, self._born = 1, 0, -random.uniform(60.0, 3600.0)
        self._next_restart = 0.0
        self._memory, self._leaked = 0.0, 0.0
        self._wander = {name: random.gauss(0.0, parameters.kpi_noise) for name in KPIS}
        self._drift, self._kpis = 0.0, dict(KPIS)
        self._queue: list[float] = []
        self._stalled_until = 0.0
        self._at_hand: float | None = None
        self._events, self._last_event = 1000, 0.0
        self._cpu = 5.0
        self._forget()
        for _ in range(random.randrange(200)):  # it has worked before the watch began
            self._process(0.0)

    def _forget(self) -> None:
        """What a new process does not know any more."""
        self._processed = self._rejected = self._quarantined = 0
        self._latency_s = 0.0
        self._count = 0

    def step(self) -> None:
        """Fifteen seconds of the service's life."""
        random, p, faults = self.random, self.p, self.faults
        self.t += LOOK_S
        if faults.restart_every and self.t >= self._next_restart:
            self._restart(faults.restart_every)
        if random.random() < p.stalls_a_day * LOOK_S / DAY:
            self._stalled_until = self.t + random.uniform(1.0, p.stall_s)
        rate = p.tapes_an_hour / 3600.0 * (1.0 + p.tapes_swing * math.sin(2.0 * math.pi * (self.t / DAY + self._phase)))
        self._next = max(self._next, self.t - LOOK_S)
        while True:
            gap = random.expovariate(rate)
            if self._next + gap > self.t:
                break  # without memory: what is drawn anew at the next look is as good
            self._next += gap
            self._queue.append(self._next)
        self._next = self.t
        if self._queue and not faults.dead and self._at_hand is None and self._stalled_until <= self.t:
            self._work()
        self._cpu += p.cpu_idle * LOOK_S
        self._live()

    def _work(self) -> None:
        for arrived in self._queue:
            if self.faults.hangs:
                self._at_hand = arrived
                return
            self._process(max(0.0, self._stalled_until - arrived))
        self._queue.clear()

    def _process(self, stalled: float) -> None:
        random, p = self.random, self.p
        rhythm = 1.0 + p.latency_swing * math.sin(2.0 * math.pi * self.t / 3600.0)
        seconds = p.latency_ms / 1000.0 * rhythm * self.faults.slow * math.exp(random.gauss(0.0, p.latency_spread))
        self._latency_s += seconds + stalled
        self._count += 1
        self._cpu += seconds + p.cpu_a_tape_s
        self._quarantined += random.random() < p.quarantined * p.rows
        if random.random() < p.bad_tapes + self.faults.errors:
            self._rejected += 1
        else:
            self._processed += 1
            noise = 1.0 + random.gauss(0.0, p.kpi_tape_noise)
            self._kpis = {name: mean * (1.0 + self._wander[name] + self._drift) * noise for name, mean in KPIS.items()}
        if not self.faults.mute:
            self._events += p.events_a_tape
            self._last_event = self.t

    def _live(self) -> None:
        random, p = self.random, self.p
        if random.random() < p.plateaus_an_hour * LOOK_S / 3600.0:
            step = self._memory + random.gauss(0.0, p.plateau_mb)
            self._memory = max(-p.arenas_mb, min(p.arenas_mb, step))
        hours = LOOK_S / 3600.0
        self._leaked += p.memory_mb * self.faults.leak_an_hour * hours
        self._drift += self.faults.drift_an_hour * hours
        keep = math.exp(-hours / p.kpi_memory_h)
        spread = p.kpi_noise * math.sqrt(1.0 - keep * keep)
        self._wander = {name: value * keep + random.gauss(0.0, spread) for name, value in self._wander.items()}

    def _restart(self, every: float) -> None:
        self._life, self._restarts, self._born = self._life + 1, self._restarts + 1, self.t
        self._next_restart = self.t + every
        self._leaked = 0.0
        self._cpu = 0.0
        self._forget()

    def look(self, *, row: bool) -> dict[str, Any]:
        """What a sample finds now."""
        random, p, faults = self.random, self.p, self.faults
        silent = faults.dead or random.random() < p.unanswered
        # With an empty inbox nothing waits; a tape at hand does not wait any more.
        waiting = self.t - self._queue[0] if self._queue and self._at_hand is None else 0.0
        warm = p.warm_up_mb * math.exp((self._born - self.t) / 600.0)
        documents: dict[str, Any] = {
            "unit": {"active": "active", "restarts": self._restarts, "invocation": f"life-{self._life}"},
            "resources": {
                "memory_mb": round(p.memory_mb - warm + self._memory + self._leaked + random.gauss(0.0, 0.1), 1),
                "cpu_seconds": self._cpu,
            },
            "health": {"status": "none" if faults.dead else 200},
            "figures": self._silent(waiting) if silent else self._figures(waiting),
        }
        if row:
            documents |= self._row()
        return documents

    def _figures(self, waiting: float) -> dict[str, Any]:
        tapes = {"processed": self._processed, "rejected": self._rejected, "failed": 0, "duplicate": 0}
        read = self._count * self.p.rows
        at_hand = 0.0 if self._at_hand is None else self.t - self._at_hand
        return {
            "tapes": tapes,
            "rows": {"read": read, "used": read, "quarantined": self._quarantined},
            "latency": {"count": self._count, "sum_s": self._latency_s, "at_hand_s": at_hand, "waiting_s": waiting},
            "kpis": self._kpis,
            **self._on_disk(),
        }

    def _silent(self, waiting: float) -> dict[str, Any]:
        """What the disk alone shows of a service that does not answer."""
        at_hand = 0.0 if self._at_hand is None else self.t - self._at_hand
        latency = {"count": None, "sum_s": None, "at_hand_s": at_hand, "waiting_s": waiting}
        return {"tapes": None, "rows": None, "latency": latency, "kpis": self._kpis, **self._on_disk()}

    def _on_disk(self) -> dict[str, Any]:
        faults = self.faults
        return {
            "audit": {
                "events": self._events - faults.cut,
                "production_events": self._events - faults.cut,
                "silence_s": self.t - self._last_event,
                "problems": faults.breaks,
            },
            "stock": {"lost_count": faults.lost, "doubled_count": faults.doubled},
            "outputs": {"missing": faults.missing, "stale": []},
        }

    def _row(self) -> dict[str, Any]:
        random, p = self.random, self.p
        status = "FAIL" if self.faults.dead else "INCONCLUSIVE" if random.random() < p.undecided else "PASS"
        throughput = p.throughput * math.exp(random.gauss(0.0, p.throughput_spread))
        values = {"throughput_rows_per_second": None if self.faults.dead else throughput}
        return {
            "validate": {"status": status, "checks": {"performance": {"values": values}}},
            "log_review": {"status": "PASS"},
        }
