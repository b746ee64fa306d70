"""What everything here is drawn on and with: marks, durations, colours, and a stream that is never garbled."""

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TextIO

from cutover.words.verdict import Verdict

if TYPE_CHECKING:
    from rich.console import Console as Paper
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
ASCII = str.maketrans({"✓": "+", "✗": "x", "▸": ">", "·": "-", "…": "~", "«": '"', "»": '"', "—": "-", "↳": ">"})
CONTROLS = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def paper(stream: TextIO, width: int | None = None) -> "Paper":
    """A rich console for a stream: wide where it is piped, in plain characters where the stream has no others."""
    from rich.console import Console as Paper

    terminal = stream.isatty()
    return Paper(
        file=Plain(stream) if not speaks_unicode(stream) else stream, force_terminal=terminal, width=width or (None if terminal else PIPE_WIDTH),
        markup=False, emoji=False, highlight=False, legacy_windows=False,
    )  # fmt: skip


def speaks_unicode(stream: TextIO) -> bool:
    """Whether the stream can carry our marks."""
    try:
        "✓▸…".encode(getattr(stream, "encoding", None) or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


class Plain:
    """A stream that is given nothing that it cannot encode: our marks as ASCII, anything else escaped."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.encoding = stream.encoding

    def write(self, text: str) -> int:
        """Write what the stream has characters for."""
        return self._stream.write(text.translate(ASCII).encode(self.encoding, "backslashreplace").decode(self.encoding))

    def flush(self) -> None:
        """Flush the stream."""
        self._stream.flush()

    def isatty(self) -> bool:
        """Whether the stream is a terminal."""
        return self._stream.isatty()

    def fileno(self) -> int:
        """The stream's file."""
        return self._stream.fileno()


def clean(text: str) -> str:
    """Text of a host without what would move the cursor or change colours."""
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


def moment(at: str) -> datetime:
    """A journal's time."""
    return datetime.fromisoformat(at)


def between(start: str, end: str) -> float:
    """Seconds from one time of the journal to another."""
    return (moment(end) - moment(start)).total_seconds()


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


def verdict_text(verdict: Verdict, after: str = "") -> "Text":
    """A verdict as mark, colour and word."""
    from rich.text import Text

    mark, style = MARKS[verdict]
    return Text(f"{mark} {verdict}{after}", style=style)


def text(words: str, style: str = "") -> "Text":
    """Words as they are, without control characters."""
    from rich.text import Text

    return Text(clean(words), style=style)


def joined(parts: Sequence["Text"], between_parts: str = "\n") -> "Text":
    """Texts one after the other."""
    from rich.text import Text

    return Text(between_parts).join(parts)
