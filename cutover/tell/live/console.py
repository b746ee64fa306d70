"""Shows a run while it goes: a live table on a terminal, plain lines with UTC times anywhere else. Listens to the journal."""

import os
import sys
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Self, TextIO

from cutover.tell.live.lines import Weight, shown
from cutover.tell.live.progress import Progress, progress_of
from cutover.tell.live.table import board
from cutover.tell.paper import between, moment, paper, short, text
from cutover.words.record import Record

if TYPE_CHECKING:
    from rich.console import Console as Paper
    from rich.console import RenderableType
    from rich.live import Live

A_SECOND = 8  # refreshes, in a thread of rich's own: the run never waits for the terminal
OPENING = {"run.created", "run.started", "rollback.started"}  # something to watch begins
CLOSING = {"plan.made", "run.finished"}  # a question may follow, or the end


def for_people(*, json: bool = False, verbose: bool = False, history: Sequence[Record] = ()) -> "Console":
    """The console of a command: on stdout, or with --json on stderr, since stdout then carries one document."""
    return Console(
        sys.stderr if json else sys.stdout, live=None if not json else False, verbose=verbose, history=history
    )


class Console:
    """Give it to `journal.listen`. `history` are the records of an earlier part of the run, which are not shown again."""

    def __init__(
        self, stream: TextIO, *, live: bool | None = None, verbose: bool = False, history: Sequence[Record] = (), width: int | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:  # fmt: skip
        self._paper: Paper = paper(stream, width)
        self._wants_live = (
            live if live is not None else stream.isatty() and os.environ.get("TERM", "") not in ("", "dumb")
        )
        self._weight = Weight.VERBOSE if verbose else Weight.ALWAYS
        self._progress: Progress = progress_of(history)
        self._since = ""
        self._live: Live | None = None
        self._lock = threading.RLock()
        self._now = now

    def __call__(self, record: Record) -> None:
        """Take a record of the journal in; called from whatever thread wrote it."""
        with (
            self._lock
        ):  # never held while printing: rich has a lock of its own, and asks for a drawing while it holds it
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

    def say(self, words: str) -> None:
        """Say something that is not of the journal, such as that a Ctrl-C was understood.

        From a thread of its own: a signal handler must neither wait for a lock nor write into a half-written line.
        """
        threading.Thread(target=self._say, args=(words,), name="console-say", daemon=True).start()

    def show(self, renderable: "RenderableType") -> None:
        """Print something whole: plan, summary, status."""
        self._paper.print(renderable)

    def close(self) -> None:
        """Leave the table as it is now, with a row for each host, and give the terminal back."""
        live, self._live = self._live, None
        if live is not None:
            live.transient = self._planning  # there is nothing to leave yet
            live.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def _print_lines(self, record: Record) -> None:
        width = min(24, max((len(host) for host in self._progress.hosts), default=8))
        for line in shown(record, self._weight, width):
            self._paper.print(text(line), soft_wrap=True)

    def _say(self, words: str) -> None:
        self.show(text(words, "bold yellow"))

    def _open(self) -> None:
        from rich.live import Live

        if self._live is None:
            self._live = Live(
                console=self._paper, get_renderable=self._draw, refresh_per_second=A_SECOND, vertical_overflow="ellipsis",
                redirect_stdout=False, redirect_stderr=False,
            )  # fmt: skip
            self._live.start()

    def _draw(self) -> "RenderableType":
        """What is on the screen now. The last draw, when the table is given up, has a row for each host."""
        with self._lock:
            progress, now = self._progress, self._clock()
            final = self._live is None
            if self._planning:
                return text(f"run {progress.run}: the hosts are read and a plan is made ({self._elapsed(now)})", "dim")
            return board(progress, now, self._elapsed(now), self._paper.width, None if final else self._paper.height)

    @property
    def _planning(self) -> bool:
        return not self._progress.applying and not self._progress.finished

    def _clock(self) -> datetime:
        """Now; a finished run stands still at its end."""
        finished = self._progress.finished
        return moment(finished.at) if finished else self._now()

    def _elapsed(self, now: datetime) -> str:
        return short(between(self._since, now.isoformat())) if self._since else short(0)
