"""Charts as SVG inside the page: the time line of a run, and its outages. Colors come from the page's CSS."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from markupsafe import Markup, escape

from cutover.core.times import moment
from cutover.timeline.outages import Outage
from cutover.timeline.presentation import Baseline
from cutover.timeline.timeline import Timeline

WIDTH, LEFT, ROW = 1000, 120, 34
STEPS_S = (
    0.1,
    0.2,
    0.5,
    1,
    2,
    5,
    10,
    15,
    30,
    60,
    120,
    300,
    600,
    900,
    1800,
    3600,
    7200,
    21600,
    43200,
    86400,
    172800,
    604800,
)


@dataclass(frozen=True)
class Scale:
    """From seconds (or Unix time) to the place across the chart."""

    first: float
    last: float
    right: float = WIDTH - 16

    def x(self, value: float) -> float:
        """The place of a value, kept inside the chart."""
        share = (value - self.first) / ((self.last - self.first) or 1)
        return round(LEFT + min(1.0, max(0.0, share)) * (self.right - LEFT), 1)

    def ticks(self, most: int = 9) -> list[float]:
        """Round values to draw lines at."""
        step = next((step for step in STEPS_S if (self.last - self.first) / step <= most), STEPS_S[-1])
        count = int(self.first // step)
        return [
            value
            for value in (step * (count + number) for number in range(most + 3))
            if self.first <= value <= self.last
        ]


def _unix(at: str) -> float:
    return moment(at).timestamp()


@dataclass(frozen=True)
class Bar:
    """An interval of a row, its color (a class of the page's CSS), its tooltip, and what stands in it if there is room."""

    start: float
    end: float
    css: str
    title: str
    words: str = ""
    lift: float = 6  # from the top of its row
    height: float = 19

    def drawn(self, scale: Scale, row: float) -> Iterator[str]:
        """Its SVG in the row that begins there."""
        left, y = scale.x(self.start), row + self.lift
        width = max(2.0, scale.x(self.end) - left)
        box = f'x="{left}" y="{y}" width="{width:.1f}" height="{self.height}" rx="3"'
        yield f'<rect class="{self.css}" {box}><title>{escape(self.title)}</title></rect>'
        if self.words and width > 7.2 * len(self.words):
            css = "in dim" if self.css.startswith("span bake") else "in"
            middle = f'x="{left + width / 2:.1f}" y="{y + self.height / 2 + 4}"'
            yield f'<text class="{css}" {middle} text-anchor="middle">{escape(self.words)}</text>'


def svg(body: Sequence[str], height: float, label: str) -> Markup:
    """A chart of these parts, with the words for those who do not see it."""
    opening = f'<svg class="chart" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(label)}">'
    return Markup(f"{opening}{''.join(body)}</svg>")  # noqa: S704 - every text in it went through escape()


def timeline_chart(timeline: Timeline, away: Sequence[Outage], session: tuple[str, str]) -> Markup:
    """Hosts by time for one session of a run: phases, bake times, batches, rollback, and a red line for the outage."""
    scale = Scale(_unix(session[0]), max(_unix(session[1]), _unix(session[0]) + 1))
    hosts, top = timeline.hosts, 60
    bottom = top + ROW * len(hosts)
    body = [*_axis(scale, top, bottom), *_batches(timeline, scale, bottom, session)]
    lost = {outage.host: outage for outage in away}
    for number, host in enumerate(hosts):
        y = top + ROW * number
        body.append(host_name(host, y))
        body += _spans(timeline, scale, host, y, session)
        for interval in (
            interval
            for interval in (lost[host].intervals if host in lost else ())
            if session[0] <= interval.start <= session[1]
        ):
            title = f"{host}: outage of {interval.seconds:.2f} s {interval.why}"
            body += Bar(_unix(interval.start), _unix(interval.end), "away", title, lift=25, height=5).drawn(scale, y)
    words = (
        f"Time line of the run on {len(hosts)} hosts, {session[0]} to {session[1]} UTC; the table below has the numbers"
    )
    return svg(body, bottom + 8, words)


def host_name(host: str, y: float) -> str:
    """A row's host, cut where it is long; the table has it in full."""
    short = host if len(host) < 18 else f"{host[:16]}…"
    return f'<text class="name" x="{LEFT - 10}" y="{y + 20}" text-anchor="end">{escape(short)}</text>'


def _axis(scale: Scale, top: float, bottom: float) -> Iterator[str]:
    for tick in scale.ticks():
        at = datetime.fromtimestamp(tick, UTC).strftime("%H:%M:%S")
        yield f'<line class="grid" x1="{scale.x(tick)}" x2="{scale.x(tick)}" y1="{top - 6}" y2="{bottom}"/>'
        anchor = "end" if scale.x(tick) > WIDTH - 45 else "middle"
        yield f'<text class="tick" x="{scale.x(tick)}" y="14" text-anchor="{anchor}">{at}</text>'


def _batches(timeline: Timeline, scale: Scale, bottom: float, session: tuple[str, str]) -> Iterator[str]:
    """A mark at the top where a batch or the rollback begins."""
    for record in (
        record for record in timeline.of("batch.started", "rollback.started") if session[0] <= record.at <= session[1]
    ):
        x = scale.x(_unix(record.at))
        batch = record.kind == "batch.started"
        words = f"batch {record.data['number']} of {record.data['of']}" if batch else "rollback"
        yield f'<line class="{"mark" if batch else "mark back"}" x1="{x}" x2="{x}" y1="{22 if batch else 38}" y2="{bottom}"/>'
        yield f'<text class="marked" x="{x + 4}" y="{31 if batch else 47}">{words}</text>'


def _spans(timeline: Timeline, scale: Scale, host: str, y: float, session: tuple[str, str]) -> Iterator[str]:
    for span in timeline.spans:
        if host in span.hosts and session[0] <= span.start <= session[1]:
            end = span.end or session[1]
            seconds = _unix(end) - _unix(span.start)
            verdict = str(span.of(host) or "no answer")
            title = f"{host}: {span.title}, {seconds:.1f} s, {verdict}"
            bad = " shut" if span.verdict is None or not span.opens else ""
            short = span.title.split(" ")[0]
            yield from Bar(_unix(span.start), _unix(end), f"span {span.name}{bad}", title, short).drawn(scale, y)


def outage_chart(
    away: Sequence[Outage], budget: float | None, baseline: Baseline | None, parts: Sequence[str]
) -> Markup:
    """One bar a host, made of its parts; the budget and the baseline as lines."""
    shown = [outage for outage in away if outage.intervals]
    longest = max((outage.seconds for outage in shown), default=0.0)
    most = max(longest, baseline.seconds if baseline else 0.0) * 1.18 or 1.0
    scale = Scale(0, most)
    top = 44
    bottom = top + ROW * len(shown)
    body = [
        part
        for tick in scale.ticks(8)
        for part in (
            f'<line class="grid" x1="{scale.x(tick)}" x2="{scale.x(tick)}" y1="{top - 6}" y2="{bottom}"/>',
            f'<text class="tick" x="{scale.x(tick)}" y="{bottom + 16}" text-anchor="middle">{tick:g} s</text>',
        )
    ]
    for number, outage in enumerate(shown):
        body += _outage(outage, scale, top + ROW * number, parts)
    if baseline:
        body += _limit(scale, baseline.seconds, baseline.words, "mark", 31, bottom)
    if budget is not None:
        body += _limit(scale, budget, f"budget {budget:g} s", "mark limit", 14, bottom)
    return svg(
        body,
        bottom + 24,
        f"Seconds without service on {len(shown)} hosts; the longest is {longest:.2f} s. The table below has every part.",
    )


def _outage(outage: Outage, scale: Scale, y: float, parts: Sequence[str]) -> Iterator[str]:
    yield host_name(outage.host, y)
    at = 0.0
    for interval in outage.intervals:
        for part in interval.parts:
            title = f"{outage.host}, {interval.why}: {part.words} {part.seconds:.3f} s"
            css = f"part p{parts.index(part.words) if part.words in parts else 9}"
            yield from Bar(at, at + part.seconds, css, title, f"{part.seconds:.2f}").drawn(scale, y)
            at += part.seconds
    yield f'<text class="total" x="{scale.x(outage.seconds) + 8}" y="{y + 20}">{outage.seconds:.2f} s</text>'


def _limit(scale: Scale, seconds: float, words: str, css: str, y: float, bottom: float) -> Iterator[str]:
    """A line at a limit; where the limit lies beyond the chart, an arrow at the edge."""
    beyond = seconds > scale.last
    x = scale.right if beyond else scale.x(seconds)
    arrow = " →" if beyond else ""
    dashed = " beyond" if beyond else ""
    yield f'<line class="{css}{dashed}" x1="{x}" x2="{x}" y1="{y + 4}" y2="{bottom}"/>'
    yield f'<text class="marked" x="{x - 5}" y="{y}" text-anchor="end">{escape(words)}{arrow}</text>'
