"""logs/cutover_<stamp>.log: every record as readable lines in UTC; logs/rollback.log: one line a rollback. Listens to the journal."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from cutover.console.lines import Weight, shown
from cutover.console.text import short
from cutover.core.times import between
from cutover.journal.record import Record

ROLLBACKS = "rollback.log"


class Log:
    """Give it to `journal.listen`. `say` is told once if the log cannot be written: the journal has everything, and the run goes on."""

    def __init__(self, folder: Path, run: str, environment: str, say: Callable[[str], None]) -> None:
        self.path = folder / f"cutover_{run.split('-', maxsplit=1)[0]}.log"
        self._folder = folder
        self._run = run
        self._environment = environment
        self._say = say
        self._began: Record | None = None
        self._broken = False

    def __call__(self, record: Record) -> None:
        """Append a record."""
        if self._broken:
            return
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            _append(self.path, "".join(f"{line}\n" for line in log_lines(record)))
            if record.kind == "rollback.started":
                self._began = record
            elif record.kind == "rollback.finished":
                _append(self._folder / ROLLBACKS, self._rollback_line(record))
        except OSError as failure:
            self._broken = True
            self._say(f"{self.path} cannot be written any more ({failure.strerror}); the journal has everything")

    def _rollback_line(self, record: Record) -> str:
        """One line: when, which run, which hosts are back and which are not, how long it took, why."""
        took = short(between(self._began.at, record.at)) if self._began else "unknown"
        back, failed = (",".join(record.data[key]) or "-" for key in ("hosts", "failed"))
        cause = json.dumps(record.data["cause"], ensure_ascii=False)
        return f"{record.at} run={self._run} environment={self._environment} back={back} failed={failed} took={took} cause={cause}\n"


def log_lines(record: Record) -> Iterator[str]:
    """All that a record says, with milliseconds and its number in the journal."""
    for line in shown(record, Weight.LOG, host_width=12):
        yield f"{record.at} {record.seq:>5}{line[len('2026-01-01T00:00:00Z') :]}"


def _append(path: Path, text: str) -> None:
    """In one write, so that lines of several processes do not mix."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640)
    try:
        os.write(file, text.encode())
    finally:
        os.close(file)
