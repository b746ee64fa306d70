"""Prints for the tests what people see, without colors."""

import io
from typing import Any

from cutover.console.progress import progress_of
from cutover.console.table import board
from cutover.console.text import rich_console, short
from cutover.core.times import written
from cutover.timeline.host_state import Labels
from tests.timeline.runs import Tape, at

LABELS = Labels(old="V1", new="V2")


def printed(renderable: Any, width: int = 110) -> str:
    """Something as text."""
    stream = io.StringIO()
    rich_console(stream, width).print(renderable)
    return stream.getvalue()


def drawn(tape: Tape, width: int, *, until: float | None = None, height: int | None = None) -> str:
    """The table at some second of the run."""
    seconds = tape.seconds if until is None else until
    seen = [record for record in tape.records if record.at <= written(at(seconds))]
    return printed(board(progress_of(seen), at(seconds), short(seconds), width, height), width)
