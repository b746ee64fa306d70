"""What a run of the fault suite came to: one line an experiment, kept as it goes, so that a table can be drawn from it."""

import json
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.faults.boundaries import Outcome


class Results:
    """Lines in a file; several grounds write to it at the same time."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.seed, self._lock = folder, seed, threading.Lock()
        folder.mkdir(parents=True, exist_ok=True)
        self.file = folder / "results.jsonl"

    def note(self, group: str, outcome: Outcome, history: Mapping[str, Any]) -> None:
        """Put one experiment on record; the history of one with a violation is kept, to be judged again offline."""
        line = {
            "group": group, "name": outcome.name, "ends": outcome.ends, "codes": outcome.codes, "seconds": outcome.seconds,
            "violations": [[one.invariant, one.host, one.found] for one in outcome.violations], "seed": self.seed,
            "hosts": len(outcome.ends), "tapes": sum(_fresh(one) for one in history["hosts"].values()),
        }  # fmt: skip
        with self._lock, self.file.open("a") as file:
            file.write(json.dumps(line) + "\n")
        if outcome.violations:
            kept = self.folder / f"{outcome.name.replace('/', '_').replace(' ', '-')}.json"
            kept.write_text(json.dumps(history))


def _fresh(seen: Mapping[str, Any]) -> int:
    """How many tapes were delivered while it lasted."""
    return len(seen["after"]["tapes"]["arrived"]) - len(seen["before"]["tapes"]["arrived"])
