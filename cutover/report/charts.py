"""The time line of a run as SVG inside the page, and what the charts of the watch are drawn with too. Colors come from the page's CSS."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from markupsafe import Markup, escape

from cutover.core.times import moment
from cutover.timeline.outages import Outage
from cutover.timeline.timeline import Timeline

WIDTH, LEFT, ROW = 1000, 120, 34
MINUTE, HOUR, DAY = 60, 3600, 86400
STEPS_S = (
    0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, MINUTE, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE, 15 * MINUTE, 30 * MINUTE,
    HOUR, 2 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 2 * DAY, 7 * DAY,
)  # fmt: skip
TOP = 60  # of the first host's row; above it are the clock and the names of the batches


@dataclass(frozen=True)
class Scale:
    """From seconds (or Unix time) to the place across the chart; any other values go from another `begin` to another `end`."""

    first: float
    last: float
    begin: float = LEFT
    end: float = WIDTH - 16

    def place(self, value: float) -> float:
        """The place of a value, kept inside the chart."""
        share = (value - self.first) / ((self.last - self.first) or 1)
        return round(self.begin + min(1.0, max(0.0, share)) * (self.end - self.begin), 1)

    def ticks(self, most: int = 9, steps: Sequence[float] = STEPS_S) -> list[float]:
        """Round values to draw lines at."""
        step = next((step for step in steps if (self.last - self.first) / step <= most), steps[-1])
        begin = int(self.first // step)
        values = (step * (begin + number) for number in range(most + 3))
        return [value for value in values if self.first <= value <= self.last]


def svg(body: Sequence[str], height: float, label: str) -> Markup:
    """A chart of these parts, with the words for those who do not see it."""
    opening = f'<svg class="chart" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(label)}">'
    return Markup(f"{opening}{''.join(body)}</svg>")  # noqa: S704 - every text in it went through escape()


def timeline_chart(timeline: Timeline, away: Sequence[Outage], session: tuple[str, str]) -> Markup:
    """Hosts by time for one session of a run: phases, bake times, batches, rollback, and a red line for the outage."""
    scale = Scale(_unix(session[0]), max(_unix(session[1]), _unix(session[0]) + 1))
    bottom = TOP + ROW * len(timeline.hosts)
    body = [*_axis(scale, bottom), *_batches(timeline, scale, bottom, session)]
    for number, host in enumerate(timeline.hosts):
        y = TOP + ROW * number
        short = host if len(host) < 18 else f"{host[:16]}…"  # the table has it in full
        body.append(f'<text class="name" x="{LEFT - 10}" y="{y + 20}" text-anchor="end">{escape(short)}</text>')
        body += _spans(timeline, scale, host, y, session)
        intervals = [interval for one in away if one.host == host for interval in one.intervals]
        for interval in (one for one in intervals if session[0] <= one.start <= session[1]):
            title = f"{host}: outage of {interval.seconds:.2f} s {interval.why}"
            body.append(_bar("away", scale, interval.start, interval.end, y + 25, 5, title))
    words = f"Time line of the run on {len(timeline.hosts)} hosts, {session[0]} to {session[1]} UTC; the table below has the numbers"
    return svg(body, bottom + 8, words)


def _unix(at: str) -> float:
    return moment(at).timestamp()


def _axis(scale: Scale, bottom: float) -> Iterator[str]:
    for tick in scale.ticks():
        x, at = scale.place(tick), datetime.fromtimestamp(tick, UTC).strftime("%H:%M:%S")
        anchor = "end" if x > WIDTH - 45 else "middle"
        yield f'<line class="grid" x1="{x}" x2="{x}" y1="{TOP - 6}" y2="{bottom}"/>'
        yield f'<text class="tick" x="{x}" y="14" text-anchor="{anchor}">{at}</text>'


def _batches(timeline: Timeline, scale: Scale, bottom: float, session: tuple[str, str]) -> Iterator[str]:
    """A mark at the top where a batch or the rollback begins."""
    for record in timeline.of("batch.started", "rollback.started"):
        if session[0] <= record.at <= session[1]:
            x = scale.place(_unix(record.at))
            css, y, words = "mark back", 38, "rollback"
            if record.kind == "batch.started":
                css, y, words = "mark", 22, f"batch {record.data['number']} of {record.data['of']}"
            yield f'<line class="{css}" x1="{x}" x2="{x}" y1="{y}" y2="{bottom}"/>'
            yield f'<text class="marked" x="{x + 4}" y="{y + 9}">{words}</text>'


def _spans(timeline: Timeline, scale: Scale, host: str, y: float, session: tuple[str, str]) -> Iterator[str]:
    for span in timeline.spans:
        if host in span.hosts and session[0] <= span.start <= session[1]:
            end = span.end or session[1]
            seconds, verdict = _unix(end) - _unix(span.start), str(span.of(host) or "no answer")
            css = f"span {span.name}{'' if span.opens else ' shut'}"
            yield _bar(css, scale, span.start, end, y + 6, 19, f"{host}: {span.title}, {seconds:.1f} s, {verdict}")
            short = span.title.split(" ")[0]
            left, right = scale.place(_unix(span.start)), scale.place(_unix(end))
            if right - left > 7.2 * len(short):
                middle = f'x="{(left + right) / 2:.1f}" y="{y + 19.5}" text-anchor="middle"'
                yield f'<text class="in{" dim" if span.name == "bake" else ""}" {middle}>{escape(short)}</text>'


def _bar(css: str, scale: Scale, start: str, end: str, y: float, height: float, title: str) -> str:
    """An interval as a box, wide enough to be seen; `title` is its tooltip."""
    left = scale.place(_unix(start))
    width = max(2.0, scale.place(_unix(end)) - left)
    box = f'x="{left}" y="{y}" width="{width:.1f}" height="{height}" rx="3"'
    return f'<rect class="{css}" {box}><title>{escape(title)}</title></rect>'
