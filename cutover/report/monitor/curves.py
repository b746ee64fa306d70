"""Charts of what was measured in a watch, as SVG: a line a host, thresholds, what was judged as dots on it."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from cutover.core.samples import LEVELS
from cutover.core.verdict import Verdict
from cutover.monitor.views.figures import Series
from cutover.monitor.views.host import HostWatch, Point
from cutover.monitor.views.timeline import WatchStory
from cutover.report.charts import LEFT, WIDTH, Scale, svg
from cutover.report.monitor.axes import apart, bands, grid, marks, round_values
from cutover.timeline.presented import Signal

TOP, BOTTOM, LABEL = 26, 176, 193
BINS, POINTS = 160, 2400  # how finely a line is drawn; how many points a chart may have in all
NEAREST, NEAR = (
    6.0,
    2.5,
)  # the lowest threshold, and others, are drawn in up to so many times what was measured; else only named
COLOURS = 10
TONES = {
    Verdict.PASS: "good",
    Verdict.WARN: "warn",
    Verdict.INCONCLUSIVE: "unsure",
    Verdict.ERROR: "bad",
    Verdict.FAIL: "bad",
}


@dataclass(frozen=True)
class Limit:
    """A threshold to draw: its words and value in the unit of the chart, and how grave it is."""

    words: str
    value: float
    level: str


@dataclass(frozen=True)
class Drawn:
    """What a chart shows: a line and the judged points of each host, the thresholds, all in one unit."""

    lines: Mapping[str, Series]
    dots: Mapping[str, Sequence[Point]]
    limits: Sequence[Limit]
    unit: str


@dataclass(frozen=True)
class Upward:
    """From a value to its place down the chart."""

    low: float
    high: float

    def y(self, value: float) -> float:
        """The place of a value, kept inside the chart."""
        share = (value - self.low) / ((self.high - self.low) or 1.0)
        return round(BOTTOM - min(1.0, max(0.0, share)) * (BOTTOM - TOP), 1)


def signal_chart(story: WatchStory, signal: Signal, scale: Scale) -> Markup | None:
    """The chart of a signal; None where nothing was measured or judged."""
    lines = {host.name: _line(host, signal) for host in story.hosts.values()}
    dots = {host.name: host.points[signal.name] for host in story.hosts.values()}
    most = [value for line in lines.values() for _, value in line if not math.isnan(value)]
    most += [point.value for points in dots.values() for point in points]
    if not most:
        return None
    limits = limits_of(story, signal)
    upward = Upward(min(0.0, *most), _top(max(most), limits))
    label = f"{signal.label} of {len(lines)} hosts over the watch; at most {max(most):.4g} {signal.unit}".strip()
    return _chart(story, scale, upward, Drawn(lines, dots, limits, signal.unit), label)


def value_chart(story: WatchStory, name: str, scale: Scale, drift: float | None) -> Markup | None:
    """How one of the service's own values has moved since the first look, in percent of what it was then."""
    lines = {host.name: _moved(host.values[name]) for host in story.hosts.values() if name in host.values}
    seen = [abs(value) for line in lines.values() for _, value in line if not math.isnan(value)]
    if not seen:
        return None
    reach = 1.15 * max(*seen, 100 * (drift or 0.0), 1e-3)
    limits = (
        []
        if drift is None
        else [Limit(f"{sign}{100 * drift:g} %", float(f"{sign}{100 * drift}"), "warn") for sign in "-+"]
    )
    label = f"{name} of {len(lines)} hosts over the watch, against the first look; moved by {max(seen):.3g} % at most"
    return _chart(story, scale, Upward(-reach, reach), Drawn(lines, {}, limits, "%"), label)


def limits_of(story: WatchStory, signal: Signal) -> list[Limit]:
    """The limits of the signal's rule as the watch was begun with them, the lowest first."""
    known = story.limits.get(signal.rule, {})
    values = {level: known[level]["limit"] * signal.limits_times for level in LEVELS if level in known}
    found = [Limit(f"{level} {value:g}", value, level) for level, value in values.items()]
    return sorted(found, key=lambda limit: limit.value)


def _line(host: HostWatch, signal: Signal) -> Series:
    """What was measured at the looks; where a signal is only judged, that."""
    if signal.raw is not None:
        return host.series[signal.name]
    judged = Series()
    for point in host.points[signal.name]:
        judged.add(point.t, point.value)
    return judged


def _moved(series: Series) -> Series:
    first = next((value for value in series.values if not math.isnan(value)), 0.0)
    moved = Series()
    for t, value in series:
        moved.add(t, 100 * (value / first - 1) if first else None)
    return moved


def _top(most: float, limits: Sequence[Limit]) -> float:
    """How high the chart goes: over what was measured, and over the thresholds that are near enough."""
    if most <= 0:
        return 1.12 * limits[0].value if limits else 1.0
    near = [limit.value for number, limit in enumerate(limits) if limit.value <= (NEAR if number else NEAREST) * most]
    return 1.12 * max([most, *near])


def _chart(story: WatchStory, scale: Scale, upward: Upward, drawn: Drawn, label: str) -> Markup:
    body = [*bands(story, scale, TOP, BOTTOM), *grid(scale, TOP, BOTTOM, LABEL), *_values(upward, drawn.unit)]
    body += _limits(drawn.limits, upward, scale)
    bins = max(12, min(BINS, POINTS // max(1, len(drawn.lines))))
    order = list(story.hosts)
    for name, series in drawn.lines.items():
        path = _path(series, scale, upward, bins)
        if path:
            body.append(
                f'<path class="curve {colour(order.index(name))}" d="{path}"><title>{escape(name)}</title></path>'
            )
    body += _dots(drawn.dots, scale, upward)
    body += marks(story, scale, TOP, BOTTOM)
    return svg(body, LABEL + 6, label)


def colour(number: int) -> str:
    """The classes of a host's line: ten colours, then the same dashed."""
    return f"h{number % COLOURS}{' again' if number >= COLOURS else ''}"


def _values(upward: Upward, unit: str) -> Iterator[str]:
    for value in round_values(upward.low, upward.high):
        y = upward.y(value)
        yield f'<line class="grid" x1="{LEFT}" x2="{WIDTH - 16}" y1="{y}" y2="{y}"/>'
        yield f'<text class="tick" x="{LEFT - 8}" y="{y + 4}" text-anchor="end">{value:g} {escape(unit)}</text>'


def _limits(limits: Sequence[Limit], upward: Upward, scale: Scale) -> Iterator[str]:
    """Lines at the thresholds, named at the right; what lies above the chart is named at its top."""
    inside = [limit for limit in limits if limit.value <= upward.high]
    above = [limit for limit in limits if limit.value > upward.high]
    places = apart([upward.y(limit.value) - 4 for limit in inside], 13, BOTTOM - 4)
    for limit, place in zip(inside, places, strict=True):
        y = upward.y(limit.value)
        yield f'<line class="threshold {limit.level}" x1="{LEFT}" x2="{scale.right}" y1="{y}" y2="{y}"/>'
        yield f'<text class="threshold {limit.level}" x="{scale.right}" y="{place}" text-anchor="end">{escape(limit.words)}</text>'
    if above:
        words = ", ".join(limit.words for limit in above)
        yield f'<text class="tick" x="{scale.right}" y="{TOP - 9}" text-anchor="end">{escape(words)} ↑</text>'


def _path(series: Series, scale: Scale, upward: Upward, bins: int) -> str:
    """A line through the least and the most of each part of the time, so that no peak is lost; broken where nothing was measured."""
    said: list[str] = []
    last: tuple[float, float] | None = None
    for part in thinned(series, scale.first, scale.last, bins):
        if part is None:
            last = None
            continue
        place = (scale.x(part[0]), upward.y(part[1]))
        if place != last:
            said.append(f"{'M' if last is None else 'L'}{place[0]:g} {place[1]:g}")
        last = place
    return "".join(said)


def thinned(series: Series, first: float, last: float, bins: int) -> Iterator[tuple[float, float] | None]:
    """At most two points for each of so many parts of the time: its least and its most, in their order. None is a break."""
    width = ((last - first) or 1.0) / bins
    current, low, high = -1, (0.0, 0.0), (0.0, 0.0)
    holding = broken = False
    for t, value in series:
        place = int((t - first) / width)
        if math.isnan(value):
            broken = True
            continue
        if holding and (place != current or broken):
            yield from (low,) if low == high else sorted((low, high))
            holding = False
        if broken:
            yield None
            broken = False
        if not holding:
            current, low, high, holding = place, (t, value), (t, value), True
        low, high = min(low, (t, value), key=lambda one: one[1]), max(high, (t, value), key=lambda one: one[1])
    if holding:
        yield from (low,) if low == high else sorted((low, high))


def _dots(dots: Mapping[str, Sequence[Point]], scale: Scale, upward: Upward) -> Iterator[str]:
    """What was judged, a dot each, by verdict; those that are not PASS in looks thinned to the worst of each part of the time."""
    found: dict[str, dict[tuple[float, float], None]] = {}
    for points in dots.values():
        worst: dict[int, Point] = {}
        for point in points:
            if point.row:
                found.setdefault(TONES[point.verdict], {})[scale.x(point.t), upward.y(point.value)] = None
            else:
                place = int(scale.x(point.t) / 6)
                if place not in worst or worst[place].verdict.severity < point.verdict.severity:
                    worst[place] = point
        for point in worst.values():
            found.setdefault(TONES[point.verdict], {})[scale.x(point.t), upward.y(point.value)] = None
    for tone in ("good", "unsure", "warn", "bad"):
        if tone in found:
            yield f'<path class="dots {tone}" d="{"".join(f"M{x:g} {y:g}h0" for x, y in found[tone])}"/>'
