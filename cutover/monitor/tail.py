"""Reads what matters of a long journal in a moment: most of a watch's are samples, and a day of them takes seconds to verify.

Nothing is decided by what is read here: who acts on a journal opens it whole, its chain verified (journal.py).
"""

import json
import re
from collections.abc import Collection
from pathlib import Path

from cutover.core.errors import Problem, UsageError
from cutover.journal.record import Record

KIND = re.compile(rb'\{"seq":\d+,"at":"[^"]*","kind":"([^"]*)"')


def skim(path: Path, *, without: Collection[str], newest: str) -> list[Record]:
    """Its records without some kinds; of the kind `newest` only those that were written last, one after the other."""
    kept: list[bytes] = []
    last: list[bytes] = []
    follows = False
    with path.open("rb") as file:
        for line in file:
            if not line.endswith(b"\n"):  # torn while it was written
                break
            kind = _kind(line, path)
            if kind == newest:
                last = [*last, line] if follows else [line]
            elif kind not in without:
                kept.append(line)
            follows = kind == newest
    try:
        records = [Record(**json.loads(line)) for line in (*kept, *last)]
    except (ValueError, TypeError) as unreadable:
        raise _no_journal(path) from unreadable
    return sorted(records, key=lambda record: record.seq)


def _kind(line: bytes, path: Path) -> str:
    found = KIND.match(line)
    if found is None:
        raise _no_journal(path)
    return found.group(1).decode(errors="replace")


def _no_journal(path: Path) -> UsageError:
    next_ = "the journal was altered: compare it with the copies on the hosts before going on"
    return UsageError(Problem(path=str(path), found="it holds a line that is no record", next=next_))
