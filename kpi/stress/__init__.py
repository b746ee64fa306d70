"""Stress: the real service under a stream of tapes, inbox to done with fsync and audit; errors, latency, memory as memory.

Everything happens below a private root. The service runs in a process of its own, so what is measured is what V2's unit
runs; another process makes the tapes and checks what became of them.
"""

import tempfile
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from kpi import clock
from kpi.findings import Finding, UsageError
from kpi.stress.load import Load
from kpi.stress.report import document
from kpi.stress.stream import LoadStream
from kpi.stress.subject import Subject
from kpi.verdict import Verdict

__all__ = ["Load", "stress"]


def stress(load: Load, root: Path | None = None) -> tuple[Verdict, dict[str, Any]]:
    """Put the service under this load; the verdict and the document."""
    started = clock.stamp()
    with _place(root) as place:
        subject = Subject(Path(place))
        with subject:
            stream = LoadStream(subject, load)
            seen = stream.run()
            counters = subject.counters() if subject.alive else {}
        return document(load, seen, subject, counters, started)


def _place(root: Path | None) -> AbstractContextManager[str | Path]:
    if root is None:
        return tempfile.TemporaryDirectory(prefix="kpi-stress-")
    try:
        root.mkdir(parents=True, exist_ok=True)
        used = any(root.iterdir())
    except OSError as error:
        raise _unusable(root, f"cannot be used: {error.strerror}") from error
    if used:
        raise _unusable(root, "is not empty")
    return nullcontext(root)


def _unusable(root: Path, found: str) -> UsageError:
    return UsageError(
        Finding("usage", str(root), found, "name an empty directory with --root: nothing else may be in it")
    )
