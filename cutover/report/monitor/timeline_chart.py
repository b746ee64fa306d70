"""The course of a watch as one chart: a row a host with its verdict over time, decisions, holds, gaps, triggers, who was told."""

from collections.abc import Iterator

from markupsafe import Markup, escape

from cutover.core.verdict import Verdict
from cutover.monitor.views.clock import hour, span
from cutover.monitor.views.host import HostWatch, Stretch
from cutover.monitor.views.timeline import WatchStory
from cutover.report.charts import LEFT, ROW, Scale, host_name, svg
from cutover.report.monitor.axes import bands, grid, marks
from cutover.report.monitor.curves import TONES

TOP = 64
THICK = {"good": 7, "unsure": 11, "warn": 13, "bad": 20}  # so that it is read without its colour too
PIECES = 300  # stretches of a host that are drawn; shorter ones are drawn together as the worst of them


def scale_of(story: WatchStory) -> Scale:
    """The watch's clock across, the same in all its charts."""
    return Scale(0.0, max(story.end, 1.0))


def course_chart(story: WatchStory, scale: Scale) -> Markup:
    """The chart."""
    hosts = list(story.hosts.values())
    bottom = TOP + ROW * len(hosts)
    body = [*bands(story, scale, TOP - 8, bottom), *grid(scale, TOP - 8, bottom, bottom + 34)]
    for number, host in enumerate(hosts):
        y = TOP + ROW * number
        body.append(host_name(host.name, y))
        body += _verdicts(host, scale, y)
    body += [*marks(story, scale, TOP - 8, bottom), *_names(story, scale), *_below(story, scale, bottom)]
    words = f"Course of the watch on {len(hosts)} hosts over {span(story.end)}; the tables below say the same in words"
    return svg(body, bottom + 42, words)


def _verdicts(host: HostWatch, scale: Scale, y: float) -> Iterator[str]:
    for stretch in _together(host.stretches, (scale.last - scale.first) / PIECES):
        if stretch.verdict is None:
            continue
        tone = TONES[stretch.verdict]
        left, height = scale.x(stretch.start), THICK[tone]
        width = max(1.5, scale.x(stretch.end) - left)
        title = f"{host.name}: {stretch.verdict} from {hour(stretch.start)} for {span(stretch.end - stretch.start)}"
        box = f'x="{left}" y="{y + 16 - height / 2:g}" width="{width:.1f}" height="{height}"'
        yield f'<rect class="judged {tone}" {box}><title>{escape(title)}</title></rect>'


def _together(stretches: list[Stretch], least: float) -> Iterator[Stretch]:
    """Stretches long enough to be seen; short ones side by side as one, with the worst verdict among them."""
    waiting: Stretch | None = None
    for stretch in stretches:
        both_short = waiting is not None and max(waiting.end - waiting.start, stretch.end - stretch.start) < least
        if waiting is not None and both_short:
            waiting = Stretch(waiting.start, stretch.end, _worse(waiting.verdict, stretch.verdict))
            continue
        if waiting is not None:
            yield waiting
        waiting = Stretch(stretch.start, stretch.end, stretch.verdict)
    if waiting is not None:
        yield waiting


def _worse(one: Verdict | None, other: Verdict | None) -> Verdict | None:
    if one is None or other is None:
        return one or other
    return max(one, other, key=lambda verdict: verdict.severity)


def _names(story: WatchStory, scale: Scale) -> Iterator[str]:
    """The decision points and triggers by name, on two lines so that neighbours do not cover each other."""
    named = [(one.when.t, f"{one.name}: {one.verdict}", "marked") for one in story.decided]
    named += [(one.when.t, f"trigger: {one.rule}", "marked pull") for one in story.triggers]
    for number, (t, words, css) in enumerate(sorted(named)):
        x = scale.x(t)
        anchor = "end" if x > scale.right - 130 else "start"
        place = f'x="{x - 5 if anchor == "end" else x + 5}" y="{16 if number % 2 == 0 else 34}"'
        yield f'<text class="{css}" {place} text-anchor="{anchor}">{escape(words)}</text>'
        yield f'<line class="lead" x1="{x}" x2="{x}" y1="{6 if number % 2 == 0 else 24}" y2="{TOP - 8}"/>'


def _below(story: WatchStory, scale: Scale, bottom: float) -> Iterator[str]:
    """Rows that were recorded, as ticks; notices, as letters."""
    rows = "".join(f"M{scale.x(group.when.t):g} {bottom}v7" for group in story.groups)
    yield f'<path class="rows" d="{rows}"/>'
    for notice in story.notices:
        css = "told failed" if notice.failed else "told"
        x = scale.x(notice.when.t)
        title = f"{hour(notice.when.t)}: {notice.event}{', not sent to everybody' if notice.failed else ''}"
        yield f'<path class="{css}" d="M{x - 5} {bottom + 10}h10v7h-10zl5 4l5 -4"><title>{escape(title)}</title></path>'
    yield f'<text class="tick" x="{LEFT - 10}" y="{bottom + 17}" text-anchor="end">rows, notices</text>'
