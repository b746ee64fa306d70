"""Take tapes from the inbox, each exactly once: inbox -> processing -> done or rejected, keyed by content.

A tape's move to done or rejected is the commit. Everything before it can be done again and replaces its own results, so
a crash at any point is finished at the next start. The same content delivered twice is moved to rejected/ and counted apart.
"""

import errno
import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kpi import clock, durable
from kpi.audit import AuditTrail, Event
from kpi.backoff import Backoff, is_of_one_tape
from kpi.committed import CANARY, CHANGED, DUPLICATE, REASON, SEPARATOR, Committed, beside, split_key
from kpi.config import PipelineConfig
from kpi.findings import Finding
from kpi.pipeline import Delivery, Run, run_tape
from kpi.tapes.content import CHUNK_BYTES

HELD = "held"
LONGEST_NAME = 150  # bytes: with its key, a number and .reason.json it must still be a name


@dataclass(frozen=True)
class TapeOutcome:
    """What became of one tape: processed, rejected, failed (a fault of ours), duplicate or held; with its run, if it ran."""

    kind: str
    canary: bool
    run: Run | None = None


class Inbox:
    """The worker's hands. It knows every key that was committed, read once and kept up by this only worker."""

    def __init__(self, config: PipelineConfig, trail: AuditTrail, alive: Callable[[], None]) -> None:
        self._config = config
        self._trail = trail
        self._alive = alive
        self._paths = config.paths
        self.backoff = Backoff(trail)
        self._prepare()
        self._seen = Committed([self._paths["done"], self._paths["rejected"]])

    def leftovers(self) -> Iterator[Path]:
        """Tapes that were claimed and not committed, oldest name first; without those that are held just now."""
        for path in sorted(self._paths["processing"].iterdir()):
            if split_key(path.name)[0] and not self.backoff.holds(path):
                yield path

    def next_tape(self) -> Path | None:
        """The first tape of the inbox by name; names that start with a dot are not tapes yet."""
        inbox = self._paths["inbox"]
        with os.scandir(inbox) as entries:
            names = [entry.name for entry in entries if entry.is_file(follow_symlinks=False)]
        tapes = (name for name in names if not name.startswith(".") and not self.backoff.holds(inbox / name))
        first = min(tapes, default=None)
        return inbox / first if first else None

    def claim(self, path: Path) -> Path | None:
        """Move a tape from the inbox into processing, under its key; None when it is gone or must stay where it is."""
        canary = path.name.startswith(CANARY)
        if why_not := _why_not_named(path.name):
            self._leave(path, why_not)
            return None
        try:
            key = (CANARY if canary else "") + _digest(path, self._alive)
        except FileNotFoundError:
            return None  # its sender took it back
        except PermissionError as error:
            self._leave(path, str(error))
            return None
        claimed = self._paths["processing"] / f"{key}{SEPARATOR}{path.name}"
        try:
            durable.move_lazily(path, claimed)  # back in the inbox after a power cut, it is claimed again
        except OSError as error:
            if not is_of_one_tape(error):
                raise
            self._leave(path, str(error))
            return None
        self.backoff.free(path)
        return claimed

    def finish(self, claimed: Path) -> TapeOutcome:
        """Compute a claimed tape and commit it; done again after a crash, it comes to the same.

        An error of this tape alone holds it back and not the others: it is reported, and tried again later.
        """
        try:
            outcome = self._finish(claimed)
        except OSError as error:
            if not is_of_one_tape(error) and claimed.exists():
                raise
            self.backoff.hold(claimed, "tape_held", str(error))
            return TapeOutcome(HELD, claimed.name.startswith(CANARY))
        self.backoff.free(claimed)
        return outcome

    def _finish(self, claimed: Path) -> TapeOutcome:
        key, name = split_key(claimed.name)
        canary = key.startswith(CANARY)
        if not canary and (first := self._seen.first(key)):
            return self._reject_redelivery(claimed, first)
        self._refuse_obstacles(claimed.name, canary)
        metrics = self._paths["metrics"] / "canary" if canary else self._paths["metrics"]
        delivery = Delivery(name, claimed, canary, claimed_as=key.removeprefix(CANARY))
        run = run_tape(self._config, delivery, metrics, self._alive)
        self._trail.record(run.events)
        if _has(run, "content_changed"):
            return self._put_changed_aside(claimed, run, canary)
        target = self._target("done" if run.accepted else "rejected", claimed.name, canary)
        if not run.accepted:
            durable.write_files({_reason_of(target): durable.to_json(_reason(run.record))})
        if canary and target.exists():
            target.unlink()  # the same canary sent again; production tapes never get here twice
        durable.move(claimed, target)
        if not canary:
            self._seen.add(key)
        return TapeOutcome(_kind(run), canary, run)

    def _leave(self, path: Path, why: str) -> None:
        """Left in the inbox, and no obstacle to the others; validation reports it as late."""
        self.backoff.hold(path, "tape_unreadable", why)

    def _reject_redelivery(self, claimed: Path, first: Path) -> TapeOutcome:
        target = beside(self._paths["rejected"], claimed.name, DUPLICATE)
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
        return TapeOutcome("duplicate", canary=False)

    def _put_changed_aside(self, claimed: Path, run: Run, canary: bool) -> TapeOutcome:
        """Not committed under its key, which is of another content: that one may still come, and must be taken then."""
        target = beside(self._target("rejected", "", canary), claimed.name, CHANGED)
        details = {"tape": claimed.name, "now": _digest(claimed, self._alive), "kept_as": target.name}
        self._trail.record([Event("tape_changed", "error", details)])
        durable.write_files({_reason_of(target): durable.to_json(_reason(run.record))})
        durable.move(claimed, target)
        return TapeOutcome("rejected", canary, run)

    def _refuse_obstacles(self, name: str, canary: bool) -> None:
        """Whatever is at the destination of the tape is found before it is computed."""
        for room in ("done", "rejected"):
            target = self._target(room, name, canary)
            if target.exists() and not (canary and target.is_file()):
                raise FileExistsError(errno.EEXIST, "something is there already", str(target))
            if _reason_of(target).is_dir():
                raise IsADirectoryError(errno.EISDIR, "a directory is in the way", str(_reason_of(target)))

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


def _why_not_named(name: str) -> str:
    """Why a tape cannot be kept under its name; empty when it can."""
    if not name.isprintable():
        return "its name has signs that cannot be printed: deliver it under another"
    size = len(os.fsencode(name))
    return f"its name has {size} bytes, {LONGEST_NAME} are the most: deliver it under a shorter one" * (
        size > LONGEST_NAME
    )


def _digest(path: Path, alive: Callable[[], None]) -> str:
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as tape:
        while chunk := tape.read(CHUNK_BYTES):
            alive()
            digest.update(chunk)
    return digest.hexdigest()


def _reason_of(target: Path) -> Path:
    return target.with_name(target.name + REASON)


def _kind(run: Run) -> str:
    if run.accepted:
        return "processed"
    return "failed" if _has(run, "internal_error") else "rejected"


def _has(run: Run, code: str) -> bool:
    return any(finding["code"] == code for finding in run.record["findings"])


def _reason(record: dict[str, Any]) -> dict[str, Any]:
    kept = ("run_id", "release", "verdict", "findings", "tape", "error", "finished_at")
    codes = sorted({finding["code"] for finding in record["findings"]})
    return {"codes": codes, **{name: record[name] for name in kept if name in record}}
