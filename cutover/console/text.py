"""Text for terminals: marks, durations, colors, and a stream that is never garbled."""

import os
import re
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TextIO, cast

from cutover.core.times import moment
from cutover.core.verdict import Verdict

if TYPE_CHECKING:
    from rich.console import Console as RichConsole
    from rich.table import Table
    from rich.text import Text

PIPE_WIDTH = 120  # where there is no terminal to ask, as in a CI's log
MARKS = {
    Verdict.PASS: ("✓", "green"),
    Verdict.WARN: ("!", "yellow"),
    Verdict.INCONCLUSIVE: ("?", "magenta"),
    Verdict.ERROR: ("✗", "bold red"),
    Verdict.FAIL: ("✗", "bold red"),
}
RUNNING = ("▸", "cyan")
ASCII = str.maketrans({"✓": "+", "✗": "x", "▸": ">", "·": "-", "…": "~", "—": "-"})
TRAILING = re.compile(r" +\n")  # tables are drawn to their full width
CONTROLS = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def rich_console(stream: TextIO, width: int | None = None) -> "RichConsole":
    """A rich console for a stream, wide where it is piped. A terminal that goes away in mid-run must not end the run."""
    from rich.console import Console as RichConsole

    terminal = stream.isatty()
    return RichConsole(
        file=cast("TextIO", SafeStream(stream)), force_terminal=terminal, width=width or (None if terminal else PIPE_WIDTH),
        markup=False, emoji=False, highlight=False, legacy_windows=False,
    )  # fmt: skip


class SafeStream:
    """A stream that is given nothing that it cannot encode, and that falls silent when nobody reads it any more."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.encoding = getattr(stream, "encoding", None) or "utf-8"
        self.gone = False
        self._unicode = "✓▸…".encode(self.encoding, "replace").decode(self.encoding) == "✓▸…"

    def write(self, text: str) -> int:
        """Write; our marks as ASCII where the stream has no others, anything else escaped."""
        if not self._unicode:
            text = text.translate(ASCII)
        if not self._stream.isatty():
            text = TRAILING.sub("\n", text)
        self._attempt(lambda: self._stream.write(text.encode(self.encoding, "backslashreplace").decode(self.encoding)))
        return len(text)

    def flush(self) -> None:
        """Flush the stream."""
        self._attempt(self._stream.flush)

    def isatty(self) -> bool:
        """Whether the stream is a terminal."""
        return self._stream.isatty()

    def fileno(self) -> int:
        """The stream's file."""
        return self._stream.fileno()

    def _attempt(self, act: Callable[[], object]) -> None:
        """A closed pipe or terminal: the run goes on, and log, journal and report have what is not shown any more."""
        if self.gone:
            return
        try:
            act()
        except OSError:
            self.gone = True
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())  # so that the last flush at exit does not fail either
            os.close(nowhere)


def clean(text: str) -> str:
    """Text of a host without what would move the cursor or change colors."""
    return CONTROLS.sub("", text.replace("\r\n", "\n").replace("\t", "    "))


def one_line(text: str) -> str:
    """Text of several lines as one; a traceback keeps its last line, which says what went wrong."""
    lines = [line.strip() for line in clean(text).splitlines() if line.strip()]
    if len(lines) > 2 and any(line.startswith('File "') or 'File "' in line for line in lines):
        lines = [lines[0], lines[-1]]
    return " ".join(line for line in lines if not set(line) <= set("^~ "))


def short(seconds: float) -> str:
    """A duration in six characters at most: 3.2s, 42s, 3m05s, 1h02m."""
    if seconds < 9.95:
        return f"{max(0.0, seconds):.1f}s"
    whole = round(seconds)
    if whole < 100:
        return f"{whole}s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes}m{rest:02}s" if minutes < 100 else f"{minutes // 60}h{minutes % 60:02}m"


def span(seconds: float) -> str:
    """A stretch of time in the two largest units that matter: 45 s, 12 min, 3 h 05 min, 6 d 4 h."""
    whole = max(0, round(seconds))
    if whole < 120:
        return f"{whole} s" if seconds >= 9.95 or seconds == whole else f"{seconds:.1f} s"
    minutes = whole // 60
    if minutes < 120:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60:02} min" if minutes % 60 else f"{minutes // 60} h"
    return f"{minutes // 1440} d {minutes % 1440 // 60} h"


def ago(at: str, now: datetime | None = None) -> str:
    """How long ago a time of a journal was."""
    return f"{short(((now or datetime.now(UTC)) - moment(at)).total_seconds())} ago"


def names(hosts: Iterable[str], most: int = 6) -> str:
    """Hosts by name, and how many more there are where they are many."""
    known = list(hosts)
    return ", ".join(known) if len(known) <= most + 1 else f"{', '.join(known[:most])} and {len(known) - most} more"


def count(number: int, thing: str) -> str:
    """A number of things: 1 host, 2 hosts."""
    return f"{number} {thing}{'' if number == 1 else 's'}"


def size(number: int) -> str:
    """Bytes for people."""
    return f"{number / 1e6:.1f} MB" if number >= 1e6 else f"{number / 1e3:.1f} kB" if number >= 1e3 else f"{number} B"


def verdict_text(verdict: Verdict) -> "Text":
    """A verdict as mark, color and word."""
    from rich.text import Text

    mark, style = MARKS[verdict]
    return Text(f"{mark} {verdict}", style=style)


def text(words: str, style: str = "") -> "Text":
    """Words as they are, without control characters."""
    from rich.text import Text

    return Text(clean(words), style=style)


def joined(parts: Sequence["Text"], between_parts: str = "\n") -> "Text":
    """Texts one after the other."""
    from rich.text import Text

    return Text(between_parts).join(parts)


def plain_table(*heads: str, gap: int = 2) -> "Table":
    """A table with a line below its heads and no frame."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, padding=(0, gap, 0, 0), show_edge=False, pad_edge=False, header_style="bold")
    for head in heads:
        table.add_column(head, overflow="fold")
    return table


def markdown_text(value: object) -> str:
    """A host's words inside Markdown: one line, cut to a length, with what Markdown and HTML would act on escaped."""
    line = " ".join(str(value).split())
    line = line if len(line) <= 600 else f"{line[:600]}…"
    escapes = {ord(mark): f"\\{mark}" for mark in "\\|*["} | {ord("`"): "'", ord("<"): "&lt;"}
    return line.translate(escapes)
