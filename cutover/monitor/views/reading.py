"""Reads the journal of a watch from its file, as far as it can be believed."""

from pathlib import Path

from cutover.journal.record import BrokenChain, parse
from cutover.monitor.views.timeline import WatchStory
from cutover.timeline.presented import Watched
from cutover.timeline.timeline import Integrity


def read_watch(path: Path, shown: Watched) -> tuple[WatchStory, Integrity] | None:
    """The watch of a run and whether its journal can be trusted; None where there was no watch."""
    if not path.exists():
        return None
    story, count, head, broken = WatchStory(shown), 0, "", ""
    with path.open(newline="\n") as file:
        try:
            for record in parse(file, path.name):
                story.take(record)
                count, head = record.seq, record.hash
        except BrokenChain as found:
            broken = str(found)
    return story, Integrity(count, head, broken, _torn(path))


def _torn(path: Path) -> bool:
    """Whether the last line was cut off in mid-write."""
    with path.open("rb") as file:
        if not file.seek(0, 2):
            return False
        file.seek(-1, 2)
        return file.read(1) != b"\n"
