"""Shows a watch while it goes: a live view on a terminal, one line a row and host anywhere else. Listens to the watch's journal."""

import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, TextIO

from cutover.tell.paper import text
from cutover.tell.screen import Screen, now
from cutover.tell.watching.board import watch_board
from cutover.tell.watching.lines import watch_lines
from cutover.tell.watching.presented import Watched
from cutover.tell.watching.story import WatchStory
from cutover.words.record import Record

if TYPE_CHECKING:
    from rich.console import RenderableType


def watch_console(shown: Watched, *, json: bool = False, history: Sequence[Record] = ()) -> "WatchConsole":
    """The console of `monitor`: on stdout, or with --json on stderr, since stdout then carries one document."""
    return WatchConsole(sys.stderr if json else sys.stdout, shown, live=False if json else None, history=history)


class WatchConsole(Screen):
    """Give it to `journal.listen`. `history` are the records of an earlier part of the watch, which are not shown again."""

    a_second = 2  # figures change once a look

    def __init__(
        self, stream: TextIO, shown: Watched, *, live: bool | None = None, history: Sequence[Record] = (), width: int | None = None,
        now: Callable[[], datetime] = now,
    ) -> None:  # fmt: skip
        super().__init__(stream, live=live, width=width, now=now)
        self.story = WatchStory(shown)
        for record in history:
            self.story.take(record)

    def __call__(self, record: Record) -> None:
        """Take a record of the journal in; called from whatever thread wrote it."""
        with self._lock:
            fresh = self.story.take(record)
            told = list(watch_lines(record, self.story, fresh, rows=not self._wants_live))
        if self._wants_live and record.kind not in ("watch.finished", "signoff"):
            self._open()
        for line in told:  # above the live view, so that what happened can be read back by scrolling up
            self._paper.print(text(line), soft_wrap=True)
        if record.kind == "watch.finished":
            self.close()

    def _draw(self) -> "RenderableType":
        """The view; the last one has a line for each host, however many."""
        with self._lock:
            height = None if self._live is None else self._paper.height
            return watch_board(self.story, self._now(), self._paper.width, height)
