"""What redraws itself on a terminal while a journal is written, and is plain lines anywhere else."""

import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, ClassVar, Self, TextIO

from cutover.tell.paper import paper, text

if TYPE_CHECKING:
    from rich.console import Console as Paper
    from rich.console import RenderableType
    from rich.live import Live


def now() -> datetime:
    """The moment."""
    return datetime.now(UTC)


class Screen(ABC):
    """A stream and, where it is a terminal, a live drawing on it. `live` decides otherwise."""

    a_second: ClassVar[
        int
    ]  # refreshes, in a thread of rich's own: whoever writes the journal never waits for the terminal

    def __init__(self, stream: TextIO, *, live: bool | None, width: int | None, now: Callable[[], datetime]) -> None:
        self._paper: Paper = paper(stream, width)
        terminal = stream.isatty() and os.environ.get("TERM", "") not in ("", "dumb")
        self._wants_live = terminal if live is None else live
        self._live: Live | None = None
        # Never held while printing: rich has a lock of its own, and asks for a drawing while it holds it.
        self._lock = threading.RLock()
        self._now = now

    @abstractmethod
    def _draw(self) -> "RenderableType":
        """What is on the screen now. The last drawing, when the live view is given up (`_live` is None), is whole."""

    def say(self, words: str) -> None:
        """Say something that is not of the journal, such as that a Ctrl-C was understood.

        From a thread of its own: a signal handler must neither wait for a lock nor write into a half-written line.
        """
        threading.Thread(target=lambda: self.show(text(words, "bold yellow")), name="console-say", daemon=True).start()

    def show(self, renderable: "RenderableType") -> None:
        """Print something whole: plan, summary, status."""
        self._paper.print(renderable)

    def close(self) -> None:
        """Leave the last drawing as it is now, and give the terminal back."""
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
        from rich.live import Live

        if self._live is None:
            self._live = Live(
                console=self._paper, get_renderable=self._draw, refresh_per_second=self.a_second, vertical_overflow="ellipsis",
                redirect_stdout=False, redirect_stderr=False,
            )  # fmt: skip
            self._live.start()
