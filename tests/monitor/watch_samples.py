"""Samples of a service that is well, with what a test changes; and the rules of the checkout to judge them by."""

import copy
from dataclasses import replace
from functools import lru_cache
from typing import Any

from cutover.core.samples import Judgement, Sample
from cutover.monitor.rules.judge import HostJudge
from cutover.monitor.rules.rulebook import RuleBook
from cutover.monitor.rules.rules import load
from cutover.plan.service import load_service, thresholds
from tests.checkout import ROOT

HOST = "web1"
LOOK = 15.0


@lru_cache
def table() -> dict[str, dict[str, float]]:
    """The one table of thresholds, as it is by default."""
    return thresholds(load_service(ROOT, "abaco"), {})


@lru_cache
def shipped() -> RuleBook:
    """The rules of the checkout."""
    return load(ROOT / "roles" / "abaco" / "rules.yml", table(), {})


def documents(tapes: int, cpu_seconds: float) -> dict[str, Any]:
    """The documents of a service that has done so many tapes, 20 ms each, and never fails."""
    return {
        "unit": {"active": "active", "restarts": 0, "invocation": "life-1"},
        "resources": {"memory_mb": 46.0, "cpu_seconds": cpu_seconds},
        "health": {"status": 200},
        "figures": {
            "tapes": {"processed": tapes, "rejected": 0, "failed": 0, "duplicate": 0},
            "rows": {"read": 1000 * tapes, "used": 1000 * tapes, "quarantined": 0},
            "latency": {"count": tapes, "sum_s": 0.02 * tapes, "at_hand_s": 0.0, "waiting_s": 0.0},
            "kpis": {"PAR30": 2.0, "CollectionRate": 12.0},
            "audit": {"events": 4 * tapes, "production_events": 4 * tapes, "silence_s": 1.0, "problems": []},
            "stock": {"lost_count": 0, "doubled_count": 0},
            "outputs": {"missing": [], "stale": []},
            "errors": 0,
        },
        "validate": {"status": "PASS", "checks": {"performance": {"values": {"throughput_rows_per_second": 4e6}}}},
        "log_review": {"status": "PASS"},
    }


GONE = object()  # instead of a value: the key is taken away


def changed(documents: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """A copy with other values at these paths (`figures.tapes.failed`)."""
    copied = copy.deepcopy(documents)
    for path, value in changes.items():
        *way, last = path.split(".")
        inner = copied
        for key in way:
            inner = inner[key]
        if value is GONE:
            del inner[last]
        else:
            inner[last] = value
    return copied


class Watched:
    """A host under the shipped rules, or another book, look after look: each has one tape more."""

    def __init__(self, book: RuleBook | None = None) -> None:
        self.judge = HostJudge(book or shipped(), HOST, LOOK)
        self.look = 0
        self.skipped = 0.0
        self.last: dict[str, Judgement] = {}

    @property
    def t(self) -> float:
        """The watch's clock at the next look."""
        return self.look * LOOK + self.skipped

    def see(self, *, error: str = "", row: bool = False, **changes: Any) -> dict[str, Judgement]:
        """One look; `a__b` in a name stands for a.b."""
        asked = {name.replace("__", "."): value for name, value in changes.items()}
        found = {} if error else changed(documents(self.look, 0.3 * self.look), asked)
        sample = Sample(HOST, 1e9 + self.t, self.t, found, row, error)
        self.last = {one.rule: one for one in self.judge.take(sample)}
        self.look += 1
        return self.last

    def well_for(self, looks: int) -> None:
        """So many looks at a service that is well, the first of all of them a row."""
        for _ in range(looks):
            self.see(row=self.look == 0)


def only(*rules: str) -> RuleBook:
    """These of the shipped rules, so that a test of hours is quick."""
    return replace(shipped(), rules=tuple(rule for rule in shipped().rules if rule.name in rules))


def watched(looks: int = 12) -> Watched:
    """A host that was well for three minutes."""
    host = Watched()
    host.well_for(looks)
    return host
