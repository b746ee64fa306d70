"""Shows a run while it goes: a live table on a terminal, plain lines with UTC times anywhere else. Listens to the journal."""

import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, TextIO

from cutover.tell.live.lines import Weight, shown
from cutover.tell.live.progress import Progress, progress_of
from cutover.tell.live.table import board
from cutover.tell.paper import short, text
from cutover.tell.screen import Screen, now
from cutover.words.record import Record
from cutover.words.times import between, moment

if TYPE_CHECKING:
    from rich.console import RenderableType

OPENING = {"run.created", "run.started", "rollback.started"}  # something to watch begins
CLOSING = {"plan.made", "run.finished"}  # a question may follow, or the end


def for_people(*, json: bool = False, verbose: bool = False, history: Sequence[Record] = ()) -> "Console":
    """The console of a command: on stdout, or with --json on stderr, since stdout then carries one document."""
    return Console(
        sys.stderr if json else sys.stdout, live=None if not json else False, verbose=verbose, history=history
    )


class Console(Screen):
    """Give it to `journal.listen`. `history` are the records of an earlier part of the run, which are not shown again."""

    a_second = 8

    def __init__(
        self, stream: TextIO, *, live: bool | None = None, verbose: bool = False, history: Sequence[Record] = (), width: int | None = None,
        now: Callable[[], datetime] = now,
    ) -> None:  # fmt: skip
        super().__init__(stream, live=live, width=width, now=now)
        self._weight = Weight.VERBOSE if verbose else Weight.ALWAYS
        self._progress: Progress = progress_of(history)
        self._since = ""

    def __call__(self, record: Record) -> None:
        """Take a record of the journal in; called from whatever thread wrote it."""
        with self._lock:
            self._since = self._since or record.at
            self._progress.take(record)
        if not self._wants_live or (self._weight is Weight.VERBOSE and record.kind == "outcome"):
            self._print_lines(record)
        if not self._wants_live:
            return
        if record.kind in OPENING:
            self._open()
        elif record.kind in CLOSING:
            self.close()

    def _print_lines(self, record: Record) -> None:
        width = min(24, max((len(host) for host in self._progress.hosts), default=8))
        for line in shown(record, self._weight, width):
            self._paper.print(text(line), soft_wrap=True)

    def _draw(self) -> "RenderableType":
        """The table; the last one has a row for each host."""
        with self._lock:
            progress, now = self._progress, self._clock()
            final = self._live is None
            if self._planning:
                return text(f"run {progress.run}: the hosts are read and a plan is made ({self._elapsed(now)})", "dim")
            return board(progress, now, self._elapsed(now), self._paper.width, None if final else self._paper.height)

    @property
    def _planning(self) -> bool:
        return not self._progress.applying and not self._progress.finished

    @property
    def _leaves_nothing(self) -> bool:
        return self._planning

    def _clock(self) -> datetime:
        """Now; a finished run stands still at its end."""
        finished = self._progress.finished
        return moment(finished.at) if finished else self._now()

    def _elapsed(self, now: datetime) -> str:
        return short(between(self._since, now.isoformat())) if self._since else short(0)
