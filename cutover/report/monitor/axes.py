"""What every chart of a watch shares: the watch's clock across, gaps, holds, decisions and triggers drawn in, round values up."""

from collections.abc import Iterator, Sequence

from markupsafe import escape

from cutover.monitor.views.clock import HOUR, hour, span
from cutover.monitor.views.timeline import WatchStory
from cutover.report.charts import LEFT, Scale

TIMES = (
    1,
    5,
    10,
    30,
    60,
    120,
    300,
    600,
    900,
    1800,
    HOUR,
    2 * HOUR,
    4 * HOUR,
    6 * HOUR,
    12 * HOUR,
    24 * HOUR,
    48 * HOUR,
    168 * HOUR,
)
MOST_TIMES, MOST_VALUES = 12, 4  # that stand on an axis


def times(scale: Scale) -> list[tuple[float, str]]:
    """Round moments of the watch's clock, and how they are called."""
    step = next((step for step in TIMES if (scale.last - scale.first) / step <= MOST_TIMES), TIMES[-1])
    count = int((scale.last - scale.first) / step) + 1
    return [(number * step, _called(number * step, step)) for number in range(count)]


def _called(t: float, step: float) -> str:
    if step >= 24 * HOUR:
        return f"day {t / 24 / HOUR:g}"
    if step >= 900:
        return f"{t / HOUR:g} h"
    return f"{t / 60:g} min" if step >= 60 else f"{t:g} s"


def grid(scale: Scale, top: float, bottom: float, label: float) -> Iterator[str]:
    """Lines at round moments, their names below or above."""
    for t, called in times(scale):
        x = scale.x(t)
        anchor = "end" if x > scale.right - 12 else "middle"
        yield f'<line class="grid" x1="{x}" x2="{x}" y1="{top}" y2="{bottom}"/>'
        yield f'<text class="tick" x="{x}" y="{label}" text-anchor="{anchor}">{called}</text>'


def bands(story: WatchStory, scale: Scale, top: float, bottom: float) -> Iterator[str]:
    """Behind the figures: holds, and gaps in which nobody looked."""
    for hold in story.holds:
        end = hold.closed.t if hold.closed else story.end
        title = f"on hold {hold.where} for {span(end - hold.when.t)}: {'; '.join(hold.reasons)}"
        yield _band("held", scale, (hold.when.t, end), (top, bottom), title)
    for gap in story.gaps:
        title = f"nobody looked for {span(gap.end - gap.start)}: {gap.why}"
        yield _band("gap", scale, (gap.start, gap.end), (top, bottom), title)


def _band(css: str, scale: Scale, across: tuple[float, float], down: tuple[float, float], title: str) -> str:
    left = scale.x(across[0])
    width = max(2.0, scale.x(across[1]) - left)
    box = f'x="{left}" y="{down[0]}" width="{width:.1f}" height="{down[1] - down[0]}"'
    return f'<rect class="{css}" {box}><title>{escape(title)}</title></rect>'


def marks(story: WatchStory, scale: Scale, top: float, bottom: float) -> Iterator[str]:
    """Before the figures: decision points, triggers, the moment at which the fleet was back."""
    for decided in story.decided:
        title = f"{decided.name}: {decided.verdict}, {decided.answer}"
        yield _mark("mark", scale.x(decided.when.t), top, bottom, title)
    for trigger in story.triggers:
        title = f"{hour(trigger.when.t)}: trigger on {trigger.host}: {trigger.rule}: {trigger.words}"
        x = scale.x(trigger.when.t)
        yield _mark("mark back", x, top, bottom, title)
        yield f'<path class="pulled" d="M{x - 5} {top - 8}h10l-5 8z"><title>{escape(title)}</title></path>'
    if story.back:
        yield _mark("mark limit", scale.x(story.back.t), top, bottom, f"{hour(story.back.t)}: the rollback had ended")


def _mark(css: str, x: float, top: float, bottom: float, title: str) -> str:
    return f'<line class="{css}" x1="{x}" x2="{x}" y1="{top}" y2="{bottom}"><title>{escape(title)}</title></line>'


def round_values(low: float, high: float) -> list[float]:
    """Round values between two others, few of them."""
    wide = (high - low) or 1.0
    step = next(step for step in _steps(wide / MOST_VALUES) if wide / step <= MOST_VALUES)
    first = int(low // step)
    return [
        step * number for number in range(first, first + MOST_VALUES + 3) if low <= step * number <= high + step * 1e-9
    ]


def _steps(about: float) -> Iterator[float]:
    power = 10.0 ** (len(f"{about:.0f}") - 1) if about >= 1 else 1e-9
    while power < about / 10:
        power *= 10
    while True:
        for factor in (1.0, 2.0, 5.0):
            yield factor * power
        power *= 10


def apart(wanted: Sequence[float], least: float, lowest: float) -> list[float]:
    """Places of labels on the way up that do not cover each other: `wanted` from the bottom up (large to small)."""
    placed: list[float] = []
    for place in wanted:
        placed.append(min(place, (placed[-1] - least) if placed else lowest))
    return placed


__all__ = ["LEFT", "Scale", "apart", "bands", "grid", "marks", "round_values", "times"]
