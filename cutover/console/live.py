"""What redraws itself on a terminal while a journal is written, and is plain lines anywhere else."""

import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import ClassVar, Self, TextIO

from rich.console import RenderableType
from rich.live import Live

from cutover.console.events import Detail, lines_of
from cutover.console.progress import Progress, progress_of
from cutover.console.text import rich_console, short, text
from cutover.core.times import between, moment
from cutover.journal.record import Record

NARROWEST = 80  # columns of a terminal; below, lines are easier to read than a table


def now() -> datetime:
    """The current time."""
    return datetime.now(UTC)


class LiveView(ABC):
    """A stream and, where it is a terminal, a live drawing on it. `live` decides otherwise.

    The drawing is refreshed in a thread of rich's own: whoever writes the journal never waits for the terminal.
    """

    a_second: ClassVar[int]  # refreshes

    def __init__(self, stream: TextIO, *, live: bool | None, now: Callable[[], datetime]) -> None:
        self._out = rich_console(stream)
        terminal = stream.isatty() and os.environ.get("TERM", "") not in ("", "dumb") and self._out.width >= NARROWEST
        self._wants_live = terminal if live is None else live
        self._live: Live | None = None
        # Never held while printing: rich has a lock of its own, and asks for a drawing while it holds it.
        self._lock = threading.RLock()
        self._now = now

    @abstractmethod
    def _draw(self) -> RenderableType:
        """The drawing of this moment. The last one, when the live view is given up (`_live` is None), is whole."""

    def say(self, words: str) -> None:
        """Print something that is not of the journal, such as that a Ctrl-C was understood.

        From a thread of its own: a signal handler must neither wait for a lock nor write into a half-written line.
        """
        threading.Thread(target=lambda: self.show(text(words, "bold yellow")), name="console-say", daemon=True).start()

    def show(self, renderable: RenderableType) -> None:
        """Print something whole: plan, summary, status."""
        self._out.print(renderable)

    def close(self) -> None:
        """Leave the last drawing on the screen, and give the terminal back."""
        live, self._live = self._live, None
        if live is not None:
            live.transient = self._leaves_nothing
            live.stop()

    @property
    def _leaves_nothing(self) -> bool:
        """Whether what was drawn so far is not worth leaving."""
        return False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def _open(self) -> None:
        if self._live is None:
            self._live = Live(
                console=self._out, get_renderable=self._draw, refresh_per_second=self.a_second, vertical_overflow="ellipsis",
                redirect_stdout=False, redirect_stderr=False,
            )  # fmt: skip
            self._live.start()


OPENING = {"run.created", "run.started", "rollback.started"}  # something to watch begins
CLOSING = {"plan.made", "run.finished"}  # a question may follow, or the end


class Console(LiveView):
    """Shows a run: a live table on a terminal, plain lines with UTC times anywhere else. Give it to `journal.listen`.

    `history` are the records of an earlier part of the run, which are not shown again.
    """

    a_second = 8

    def __init__(
        self, stream: TextIO, *, live: bool | None = None, verbose: bool = False, history: Sequence[Record] = (),
        now: Callable[[], datetime] = now,
    ) -> None:  # fmt: skip
        super().__init__(stream, live=live, now=now)
        self._detail = Detail.VERBOSE if verbose else Detail.ALWAYS
        self._progress: Progress = progress_of(history)
        self._since = ""

    def __call__(self, record: Record) -> None:
        """Take a record of the journal in; called from whatever thread wrote it."""
        with self._lock:
            self._since = self._since or record.at
            self._progress.take(record)
        if not self._wants_live or (self._detail is Detail.VERBOSE and record.kind == "outcome"):
            self._print_lines(record)
        if not self._wants_live:
            return
        if record.kind in OPENING:
            self._open()
        elif record.kind in CLOSING:
            self.close()

    def _print_lines(self, record: Record) -> None:
        width = min(24, max((len(host) for host in self._progress.hosts), default=8))
        for line in lines_of(record, self._detail, width):
            self._out.print(text(line), soft_wrap=True)

    def _draw(self) -> RenderableType:
        """The table; the last one has a row for each host. A finished run stands still at its end."""
        with self._lock:
            progress, height = self._progress, None if self._live is None else self._out.height
            now = moment(progress.finished.at) if progress.finished else self._now()
            elapsed = short(between(self._since or now.isoformat(), now.isoformat()))
            if self._leaves_nothing:
                return text(f"run {progress.run}: reading the hosts and making a plan ({elapsed})", "dim")
            from cutover.console.table import board  # where there is a terminal to draw on

            return board(progress, now, elapsed, self._out.width, height)

    @property
    def _leaves_nothing(self) -> bool:
        """While a plan is made there is no table yet."""
        return not self._progress.applying and not self._progress.finished
