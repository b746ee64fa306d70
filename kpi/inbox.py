"""Take tapes from the inbox, each exactly once: inbox -> processing -> done or rejected, keyed by content.

A tape's move to done or rejected is the commit. Everything before it can be done again and replaces its own results, so
a crash at any point is finished at the next start. The same content delivered twice is put aside and counted apart.
"""

import hashlib
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kpi import clock, durable
from kpi.audit import AuditTrail, Event
from kpi.config import PipelineConfig
from kpi.findings import Finding
from kpi.pipeline import Delivery, Run, run_tape

CANARY = "canary-"
SEPARATOR = "__"
REASON = ".reason.json"
_KEY = re.compile(r"(?:canary-)?([0-9a-f]{64})")


@dataclass(frozen=True)
class Outcome:
    """What became of one tape: processed, rejected, failed (a fault of ours) or duplicate; with its run, if it ran."""

    kind: str
    canary: bool
    run: Run | None = None


class Inbox:
    """The worker's hands. `seen` knows every key that was committed, read once and kept up by this only worker."""

    def __init__(self, config: PipelineConfig, trail: AuditTrail, alive: Callable[[], None]) -> None:
        self._config = config
        self._trail = trail
        self._alive = alive
        self._paths = config.paths
        self._unreadable: set[str] = set()
        self._prepare()
        self._seen = {split_key(path.name)[0]: path for name in ("rejected", "done") for path in self._committed(name)}

    def leftovers(self) -> Iterator[Path]:
        """Tapes that were claimed and not committed, oldest name first."""
        for path in sorted(self._paths["processing"].iterdir()):
            if split_key(path.name)[0]:
                yield path

    def next_tape(self) -> Path | None:
        """The first tape of the inbox by name; names that start with a dot are not tapes yet."""
        with os.scandir(self._paths["inbox"]) as entries:
            names = [entry.name for entry in entries if entry.is_file(follow_symlinks=False)]
        tapes = (name for name in names if not name.startswith(".") and name not in self._unreadable)
        first = min(tapes, default=None)
        return self._paths["inbox"] / first if first else None

    def claim(self, path: Path) -> Path | None:
        """Move a tape from the inbox into processing, under its key; None when it is gone or may not be read."""
        canary = path.name.startswith(CANARY)
        try:
            key = (CANARY if canary else "") + _digest(path)
        except FileNotFoundError:
            return None  # its sender took it back
        except PermissionError as error:
            # Left where it is, and no obstacle to the others; validation reports it as late.
            self._unreadable.add(path.name)
            self._trail.record([Event("tape_unreadable", "error", {"tape": path.name, "reason": str(error)})])
            return None
        claimed = self._paths["processing"] / f"{key}{SEPARATOR}{path.name}"
        durable.move(path, claimed)
        return claimed

    def finish(self, claimed: Path) -> Outcome:
        """Compute a claimed tape and commit it; done again after a crash, it comes to the same."""
        key, name = split_key(claimed.name)
        canary = key.startswith(CANARY)
        content = claimed.read_bytes()
        if hashlib.sha256(content).hexdigest() != key.removeprefix(CANARY):
            return self._refuse_changed(claimed, key, canary)
        if not canary and self._is_committed(key):
            return self._put_aside(claimed, key)
        metrics = self._paths["metrics"] / "canary" if canary else self._paths["metrics"]
        run = run_tape(self._config, Delivery(name, content, canary), metrics, self._alive)
        self._trail.record(run.events)
        target = self._target("done" if run.accepted else "rejected", claimed.name, canary)
        if not run.accepted:
            durable.write_files({_reason_of(target): durable.to_json(_reason(run.record))})
        self._commit(claimed, target, key)
        return Outcome(_kind(run), canary, run)

    def _commit(self, claimed: Path, target: Path, key: str) -> None:
        if key.startswith(CANARY) and target.exists():
            target.unlink()  # the same canary sent again; production tapes never get here twice
        durable.move(claimed, target)
        if not key.startswith(CANARY):
            self._seen[key] = target

    def _is_committed(self, key: str) -> bool:
        return key in self._seen and self._seen[key].exists()

    def _put_aside(self, claimed: Path, key: str) -> Outcome:
        first = self._seen[key]
        earlier = [
            path
            for path in self._paths["rejected"].glob(f"{key}{SEPARATOR}*.duplicate-*")
            if not path.name.endswith(REASON)
        ]
        target = self._paths["rejected"] / f"{claimed.name}.duplicate-{len(earlier) + 1}"
        finding = Finding(
            "duplicate",
            claimed.name,
            f"the same content is {first.parent.name}/{first.name} already",
            "nothing to do; ask the sender why it came twice",
        )
        reason = {"codes": ["duplicate"], "findings": [finding.as_json()], "at": clock.stamp()}
        self._trail.record([Event("tape_duplicate", "warn", {"tape": claimed.name, "first": first.name})])
        durable.write_files({_reason_of(target): durable.to_json(reason)})
        durable.move(claimed, target)
        return Outcome("duplicate", canary=False)

    def _refuse_changed(self, claimed: Path, key: str, canary: bool) -> Outcome:
        finding = Finding(
            "content_changed",
            claimed.name,
            "its content is not what it was claimed by",
            "find out who writes to processing/; have the tape delivered again",
        )
        self._trail.record([Event("tape_changed", "error", {"tape": claimed.name})])
        target = self._target("rejected", claimed.name, canary)
        reason = {"codes": [finding.code], "findings": [finding.as_json()], "at": clock.stamp()}
        durable.write_files({_reason_of(target): durable.to_json(reason)})
        self._commit(claimed, target, key)
        return Outcome("rejected", canary)

    def _target(self, room: str, name: str, canary: bool) -> Path:
        return self._paths[room] / "canary" / name if canary else self._paths[room] / name

    def _prepare(self) -> None:
        for name, path in self._paths.items():
            path.mkdir(parents=True, exist_ok=True)
            if name in ("done", "rejected", "metrics"):
                (path / "canary").mkdir(exist_ok=True)
        for room in ("metrics", "rejected"):
            durable.sweep(self._paths[room])
            durable.sweep(self._paths[room] / "canary")

    def _committed(self, room: str) -> Iterator[Path]:
        for path in self._paths[room].iterdir():
            if split_key(path.name)[0] and not path.name.endswith(REASON) and ".duplicate-" not in path.name:
                yield path


def split_key(name: str) -> tuple[str, str]:
    """Key and tape name of a claimed or committed file; an empty key for any other file."""
    key, found, rest = name.partition(SEPARATOR)
    return (key, rest) if found and _KEY.fullmatch(key) else ("", name)


def _digest(path: Path) -> str:
    with path.open("rb") as tape:
        return hashlib.file_digest(tape, "sha256").hexdigest()


def _reason_of(target: Path) -> Path:
    return target.with_name(target.name + REASON)


def _kind(run: Run) -> str:
    if run.accepted:
        return "processed"
    internal = any(finding["code"] == "internal_error" for finding in run.record["findings"])
    return "failed" if internal else "rejected"


def _reason(record: dict[str, Any]) -> dict[str, Any]:
    kept = ("run_id", "release", "verdict", "findings", "tape", "error", "finished_at")
    codes = sorted({finding["code"] for finding in record["findings"]})
    return {"codes": codes, **{name: record[name] for name in kept if name in record}}
