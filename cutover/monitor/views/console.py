"""Shows a watch while it goes: a live view on a terminal, one line a row and host anywhere else. Listens to the watch's journal."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, TextIO

from cutover.console.live import LiveView, now
from cutover.console.text import names, one_line, text
from cutover.core.verdict import Verdict
from cutover.journal.record import Record
from cutover.monitor.views.clock import hour, span
from cutover.monitor.views.dashboard import watch_board
from cutover.monitor.views.events import Finding
from cutover.monitor.views.numbers import figure
from cutover.monitor.views.timeline import WatchStory
from cutover.monitor.views.wording import in_short
from cutover.timeline.presented import Watched

if TYPE_CHECKING:
    from rich.console import RenderableType


# A watch as plain lines: one for each row and host, one for each thing that happens. For pipes, CI logs and the log file.

Data = Mapping[str, Any]


def watch_lines(
    record: Record, story: WatchStory, fresh: Sequence[Finding] = (), *, rows: bool = True
) -> Iterator[str]:
    """What a record that the story has taken in says. `fresh` are the findings that it began; `rows` asks for those that are recorded."""
    told = _TOLD.get(record.kind)
    try:
        if record.kind == "judged":
            yield from _judged(record, story, fresh, rows=rows)
        elif told is not None:
            for who, what, said in told(story, record.data):
                yield _line(record.at, story.end, who, what, said)
    except (KeyError, TypeError, ValueError, IndexError):
        return  # the story has noted it as odd


def _line(at: str, t: float, who: str, what: str, said: str) -> str:
    return f"{at[:19]}Z  {hour(t):<10}  {who:<12}  {what:<12}  {one_line(said)}".rstrip()


def _judged(record: Record, story: WatchStory, fresh: Sequence[Finding], *, rows: bool) -> Iterator[str]:
    data = record.data
    if data["row"] and rows:
        host = story.hosts[data["host"]]
        row = story.groups[-1].rows[host.name]
        figures = [
            f"{signal.label} {figure(signal, row.figures[signal.name])}"
            for signal in story.shown.signals
            if signal.table or signal.live
        ]
        said = ", ".join([*figures, *([f"not seen: {row.error}"] if row.error else [])])
        yield _line(record.at, story.end, host.name, data["verdict"], said)
    for verdict, words, advice in in_short(finding.latest for finding in fresh):
        yield _line(record.at, story.end, data["host"], verdict, f"{words}{f'; next: {advice}' if advice else ''}")


Said = Iterator[tuple[str, str, str]]


def _started(story: WatchStory, data: Data) -> Said:
    ends = f"to {hour(story.due[-1][1])}" if story.due else "without a decision point"
    faster = "" if story.scale == 1 else f", its clock {story.scale:g} times as fast"
    yield "", "watch", f"of {names(data['hosts'])} begins, a look every {span(story.look_s)}, {ends}{faster}"


def _gap(_story: WatchStory, data: Data) -> Said:
    yield "", "gap", f"nobody looked for {span(data['to_t'] - data['from_t'])}: {data['why']}"


def _point(story: WatchStory, _data: Data) -> Said:
    decided = story.decided[-1]
    reasons = f": {'; '.join(decided.reasons)}" if decided.reasons else ""
    yield "", decided.verdict, f"decision point {decided.name}: {decided.answer}{reasons}"


def _hold(story: WatchStory, _data: Data) -> Said:
    hold = story.holds[-1]
    left = span(story.real_s(hold.deadline_t - story.end))
    yield "", "HOLD", f"{hold.where}: {'; '.join(hold.reasons)}; a person decides within {left}, else: {hold.default}"


def _decided(story: WatchStory, _data: Data) -> Said:
    hold = next(hold for hold in reversed(story.holds) if hold.closed)
    yield "", "decided", f"{hold.decision}, by {hold.by}{f': {hold.note}' if hold.note else ''}"


def _notice(story: WatchStory, _data: Data) -> Said:
    notice = story.notices[-1]
    if notice.why:  # there was nobody to tell, which was said once
        return
    yield (
        "",
        Verdict.WARN if notice.failed else "told",
        f"{notice.event}{': did not go out to everybody' if notice.failed else ''}",
    )


def _trigger(story: WatchStory, _data: Data) -> Said:
    trigger = story.triggers[-1]
    yield trigger.host, "TRIGGER", f"{trigger.rule}: {trigger.words}: back to V1"


def _back(_story: WatchStory, data: Data) -> Said:
    yield "", "rollback", f"ended with exit code {data['exit_code']}"


def _end(story: WatchStory, data: Data) -> Said:
    yield "", data["verdict"], f"the watch ends after {span(story.end)}, exit code {data['exit_code']}"


_TOLD: dict[str, Callable[[WatchStory, Data], Said]] = {
    "watch.started": _started,
    "watch.resumed": lambda _story, _data: iter([("", "resumed", "the watch goes on in the same window")]),
    "watch.gap": _gap,
    "watch.left": lambda _story, data: iter([("", "left", f"nobody looks at the triggers now: {data['why']}")]),
    "watch.extended": lambda _story, data: iter([("", "extended", f"the watch goes on to {hour(data['until_t'])}")]),
    "point": _point,
    "hold.opened": _hold,
    "hold.closed": _decided,
    "notice": _notice,
    "trigger": _trigger,
    "rollback.started": lambda _story, _data: iter([("", "rollback", "the fleet goes back to V1")]),
    "rollback.finished": _back,
    "watch.finished": _end,
}


class WatchConsole(LiveView):
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
            self._out.print(text(line), soft_wrap=True)
        if record.kind == "watch.finished":
            self.close()

    def _draw(self) -> "RenderableType":
        """The view; the last one has a line for each host, however many."""
        with self._lock:
            height = None if self._live is None else self._out.height
            return watch_board(self.story, self._now(), self._out.width, height)
