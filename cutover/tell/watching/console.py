"""Shows a watch while it goes: a live view on a terminal, one line a row and host anywhere else. Listens to the watch's journal."""

import os
import sys
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Self, TextIO

from cutover.tell.paper import paper, text
from cutover.tell.watching.board import watch_board
from cutover.tell.watching.lines import watch_lines
from cutover.tell.watching.presented import Watched
from cutover.tell.watching.story import WatchStory
from cutover.words.record import Record

if TYPE_CHECKING:
    from rich.console import Console as Paper
    from rich.console import RenderableType
    from rich.live import Live

A_SECOND = 2  # refreshes; figures change once a look


def watch_console(shown: Watched, *, json: bool = False, history: Sequence[Record] = ()) -> "WatchConsole":
    """The console of `monitor`: on stdout, or with --json on stderr, since stdout then carries one document."""
    return WatchConsole(sys.stderr if json else sys.stdout, shown, live=False if json else None, history=history)


class WatchConsole:
    """Give it to `journal.listen`. `history` are the records of an earlier part of the watch, which are not shown again."""

    def __init__(
        self, stream: TextIO, shown: Watched, *, live: bool | None = None, history: Sequence[Record] = (), width: int | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:  # fmt: skip
        self._paper: Paper = paper(stream, width)
        self._wants_live = (
            live if live is not None else stream.isatty() and os.environ.get("TERM", "") not in ("", "dumb")
        )
        self.story = WatchStory(shown)
        for record in history:
            self.story.take(record)
        self._live: Live | None = None
        self._lock = threading.RLock()
        self._now = now

    def __call__(self, record: Record) -> None:
        """Take a record of the journal in; called from whatever thread wrote it."""
        with (
            self._lock
        ):  # never held while printing: rich has a lock of its own, and asks for a drawing while it holds it
            fresh = self.story.take(record)
            told = list(watch_lines(record, self.story, fresh, rows=not self._wants_live))
        if self._wants_live and self._live is None and record.kind not in ("watch.finished", "signoff"):
            self._open()
        for line in told:  # above the live view, so that what happened can be read back by scrolling up
            self._paper.print(text(line), soft_wrap=True)
        if record.kind == "watch.finished":
            self.close()

    def say(self, words: str) -> None:
        """Say something that is not of the journal, from a thread of its own: a signal handler must not wait for a lock."""
        threading.Thread(target=self.show, args=(text(words, "bold yellow"),), name="watch-say", daemon=True).start()

    def show(self, renderable: "RenderableType") -> None:
        """Print something whole."""
        self._paper.print(renderable)

    def close(self) -> None:
        """Leave the view as it is now, with a line for each host, and give the terminal back."""
        live, self._live = self._live, None
        if live is not None:
            live.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def _open(self) -> None:
        from rich.live import Live

        self._live = Live(
            console=self._paper, get_renderable=self._draw, refresh_per_second=A_SECOND, vertical_overflow="ellipsis",
            redirect_stdout=False, redirect_stderr=False,
        )  # fmt: skip
        self._live.start()

    def _draw(self) -> "RenderableType":
        """What is on the screen now. The last drawing has a line for each host, however many."""
        with self._lock:
            height = None if self._live is None else self._paper.height
            return watch_board(self.story, self._now(), self._paper.width, height)
