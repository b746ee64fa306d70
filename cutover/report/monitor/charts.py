"""The charts of a watch, as SVG: verdicts and events over time, and each signal that has a limit."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from cutover.console.text import span
from cutover.core.samples import LEVELS
from cutover.core.verdict import Verdict, worst
from cutover.monitor.state import HOUR
from cutover.monitor.views.story import VerdictSpan, WatchStory
from cutover.monitor.views.text import hour
from cutover.report.charts import LEFT, ROW, WIDTH, Scale, host_name, svg
from cutover.timeline.presentation import ShownSignal

TONES = {
    Verdict.PASS: "good", Verdict.WARN: "warn", Verdict.INCONCLUSIVE: "unsure", Verdict.ERROR: "bad", Verdict.FAIL: "bad",
}  # fmt: skip
COLOURS = 10


def scale_of(story: WatchStory) -> Scale:
    """The watch's clock across, the same in all its charts."""
    return Scale(0.0, max(story.end, 1.0))


def colour(number: int) -> str:
    """The classes of a host's line: ten colours, then the same dashed."""
    return f"h{number % COLOURS}{' again' if number >= COLOURS else ''}"


def _frame(story: WatchStory, scale: Scale, top: float, bottom: float, label: float) -> Iterator[str]:
    """Behind the figures: the watch's clock, holds, and gaps without samples."""
    for hold in story.holds:
        end = hold.closed.t if hold.closed else story.end
        title = f"on hold {hold.where} for {span(end - hold.when.t)}: {'; '.join(hold.reasons)}"
        yield _box("held", scale, (hold.when.t, end), (top, bottom - top), title)
    for gap in story.gaps:
        title = f"no samples for {span(gap.end - gap.start)}: {gap.why}"
        yield _box("gap", scale, (gap.start, gap.end), (top, bottom - top), title)
    for t in scale.ticks(12):
        x = scale.x(t)
        anchor = "end" if x > scale.right - 12 else "middle"
        yield f'<line class="grid" x1="{x}" x2="{x}" y1="{top}" y2="{bottom}"/>'
        yield f'<text class="tick" x="{x}" y="{label}" text-anchor="{anchor}">{_tick(t, scale.last)}</text>'


def _tick(t: float, last: float) -> str:
    if last > 48 * HOUR:
        return f"day {t / 24 / HOUR:g}"
    size, unit = (HOUR, "h") if last > 1.5 * HOUR else (60.0, "min") if last > 120 else (1.0, "s")
    return f"{t / size:g} {unit}"


def _box(css: str, scale: Scale, across: tuple[float, float], down: tuple[float, float], title: str) -> str:
    """A rectangle from one time to another; `down` is its top and its height."""
    left, (y, height) = scale.x(across[0]), down
    width = max(1.5, scale.x(across[1]) - left)
    box = f'x="{left}" y="{y:g}" width="{width:.1f}" height="{height:g}"'
    return f'<rect class="{css}" {box}><title>{escape(title)}</title></rect>'


def _marks(story: WatchStory, scale: Scale, top: float, bottom: float) -> Iterator[str]:
    """Before the figures: decision points, triggers, the moment at which the fleet was back."""
    marks = [("mark", one.when.t, f"{one.name}: {one.verdict}, {one.answer}") for one in story.decided]
    marks += [("mark back", one.last.t, f"{hour(one.last.t)}: trigger on {one.words}") for one in story.triggers]
    marks += [("mark limit", story.back.t, f"{hour(story.back.t)}: the rollback had ended")] if story.back else []
    for css, t, title in marks:
        x = scale.x(t)
        yield f'<line class="{css}" x1="{x}" x2="{x}" y1="{top}" y2="{bottom}"><title>{escape(title)}</title></line>'


# Verdicts and events over time: a row a host, decisions, holds, gaps, triggers.

HEAD = 64
THICK = {"good": 7, "unsure": 11, "warn": 13, "bad": 20}  # so that it is read without its colour too
PIECES = 300  # stretches of a host that are drawn; shorter ones are drawn together as the worst of them


def timeline_chart(story: WatchStory, scale: Scale) -> Markup:
    """The verdicts of each host over time, with what happened."""
    hosts = list(story.hosts.values())
    bottom = HEAD + ROW * len(hosts)
    body = list(_frame(story, scale, HEAD - 8, bottom, bottom + 17))
    for number, host in enumerate(hosts):
        y = HEAD + ROW * number
        body.append(host_name(host.name, y))
        for stretch in _together(host.stretches, (scale.last - scale.first) / PIECES):
            if stretch.verdict is not None:
                tone, length = TONES[stretch.verdict], span(stretch.end - stretch.start)
                title = f"{host.name}: {stretch.verdict} from {hour(stretch.start)} for {length}"
                down = (y + 16 - THICK[tone] / 2, THICK[tone])
                body.append(_box(f"judged {tone}", scale, (stretch.start, stretch.end), down, title))
    body += [*_marks(story, scale, HEAD - 8, bottom), *_names(story, scale)]
    words = f"The watch of {len(hosts)} hosts over {span(story.end)}; the tables below say the same in words"
    return svg(body, bottom + 24, words)


def _together(stretches: Sequence[VerdictSpan], least: float) -> list[VerdictSpan]:
    """Stretches long enough to be seen; short ones side by side as one, with the worst verdict among them."""
    drawn: list[VerdictSpan] = []
    for one in stretches:
        last = drawn[-1] if drawn else one
        if drawn and max(last.end - last.start, one.end - one.start) < least:
            known = [verdict for verdict in (last.verdict, one.verdict) if verdict is not None]
            drawn[-1] = VerdictSpan(last.start, one.end, worst(known) if known else None)
        else:
            drawn.append(one)
    return drawn


def _names(story: WatchStory, scale: Scale) -> Iterator[str]:
    """The decision points and triggers by name, on two lines so that neighbours do not cover each other."""
    named = [(one.when.t, f"{one.name}: {one.verdict}", "marked") for one in story.decided]
    named += [(one.last.t, f"trigger: {one.rule}", "marked pull") for one in story.triggers]
    for number, (t, words, css) in enumerate(sorted(named)):
        x, lower = scale.x(t), 18 * (number % 2)
        anchor = "end" if x > scale.right - 130 else "start"
        place = f'x="{x - 5 if anchor == "end" else x + 5}" y="{16 + lower}"'
        yield f'<text class="{css}" {place} text-anchor="{anchor}">{escape(words)}</text>'
        yield f'<line class="lead" x1="{x}" x2="{x}" y1="{6 + lower}" y2="{HEAD - 8}"/>'


# One signal: a line a host, the limits.

TOP, BOTTOM, LABEL = 26, 176, 193
BINS, POINTS = 160, 2400  # how finely a line is drawn; how many points a chart may have in all
MOST_VALUES = 4  # that stand on the axis
NEAR = 2.5  # a limit is drawn in up to so many times what was measured, else only named below the chart


@dataclass(frozen=True)
class Upward:
    """From a value to its place down the chart."""

    low: float
    high: float

    def y(self, value: float) -> float:
        """The place of a value, kept inside the chart."""
        share = (value - self.low) / ((self.high - self.low) or 1.0)
        return round(BOTTOM - min(1.0, max(0.0, share)) * (BOTTOM - TOP), 1)


def limits_of(story: WatchStory, signal: ShownSignal) -> list[tuple[str, float]]:
    """Level and limit of the signal's rule as the watch was begun with them, the lowest first."""
    limits = story.limits.get(signal.rule, {})
    return sorted(
        ((level, limits[level]["limit"] * signal.times) for level in LEVELS if level in limits), key=lambda one: one[1]
    )


def signal_chart(story: WatchStory, signal: ShownSignal, scale: Scale) -> Markup | None:
    """The chart of a signal; None where it has no limit, or nothing was measured."""
    limits, lines = (
        limits_of(story, signal),
        {one.name: one.series.get(signal.rule, []) for one in story.hosts.values()},
    )
    seen = [value for line in lines.values() for _, value in line if value is not None]
    if not seen or not limits:
        return None
    near = [value for _, value in limits if value <= NEAR * max(seen)]
    upward = Upward(min(0.0, *seen), 1.12 * max([*seen, *near]) or 1.12 * limits[0][1] or 1.0)
    body = [*_frame(story, scale, TOP, BOTTOM, LABEL), *_values(upward, signal.unit), *_limits(limits, upward, scale)]
    bins = max(12, min(BINS, POINTS // len(lines)))
    for number, (name, series) in enumerate(lines.items()):
        if path := _path(series, scale, upward, bins):
            body.append(f'<path class="curve {colour(number)}" d="{path}"><title>{escape(name)}</title></path>')
    body += _marks(story, scale, TOP, BOTTOM)
    label = f"{signal.label} of {len(lines)} hosts over the watch; at most {max(seen):.4g} {signal.unit}".strip()
    return svg(body, LABEL + 6, label)


def _values(upward: Upward, unit: str) -> Iterator[str]:
    """Round values, few of them."""
    rough = (upward.high - upward.low) / MOST_VALUES
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
    for number in range(math.ceil(upward.low / step), math.floor(upward.high / step) + 1):
        y = upward.y(number * step)
        yield f'<line class="grid" x1="{LEFT}" x2="{WIDTH - 16}" y1="{y}" y2="{y}"/>'
        yield f'<text class="tick" x="{LEFT - 8}" y="{y + 4}" text-anchor="end">{number * step:g} {escape(unit)}</text>'


def _limits(limits: Sequence[tuple[str, float]], upward: Upward, scale: Scale) -> Iterator[str]:
    """Lines at the limits that lie within the chart, named at the right."""
    place = BOTTOM + 9.0
    for level, value in limits:
        if value <= upward.high:
            y = upward.y(value)
            place = min(y - 4, place - 13)  # names do not cover each other
            yield f'<line class="threshold {level}" x1="{LEFT}" x2="{scale.right}" y1="{y}" y2="{y}"/>'
            yield f'<text class="threshold {level}" x="{scale.right}" y="{place}" text-anchor="end">{level} {value:g}</text>'


def _path(series: Sequence[tuple[float, float | None]], scale: Scale, upward: Upward, bins: int) -> str:
    """A line through the least and the most of each part of the time, so that no peak is lost; broken where nothing was measured."""
    width, piece = ((scale.last - scale.first) or 1.0) / bins, 0
    parts: dict[tuple[int, int], list[tuple[float, float]]] = {}
    for t, value in series:
        if value is None:
            piece += 1
        else:
            parts.setdefault((piece, int((t - scale.first) / width)), []).append((t, value))
    path, drawn, last = "", -1, (0.0, 0.0)
    for (piece, _), points in parts.items():
        for t, value in sorted({min(points, key=lambda one: one[1]), max(points, key=lambda one: one[1])}):
            place = (scale.x(t), upward.y(value))
            if piece != drawn or place != last:
                path += f"{'M' if piece != drawn else 'L'}{place[0]:g} {place[1]:g}"
            drawn, last = piece, place
    return path
