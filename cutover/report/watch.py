"""The watch on the report's page: verdict, charts, what was found, who decided and was notified, how it ended."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from markupsafe import Markup, escape

from cutover.console.text import names, span
from cutover.core.samples import LEVELS
from cutover.core.times import between
from cutover.core.verdict import Verdict
from cutover.monitor.state import HOUR
from cutover.monitor.views.story import RuleFinding, WatchStory, read_watch
from cutover.monitor.views.table import table_lines
from cutover.monitor.views.text import called, figure, hour
from cutover.report.charts import LEFT, WIDTH, Scale, svg
from cutover.timeline.endings import Ending
from cutover.timeline.presentation import ShownSignal
from cutover.timeline.timeline import Integrity, Timeline
from cutover.timeline.view import RunView

Page = dict[str, Any]


def watch_page(view: RunView) -> Page | None:
    """What templates/report_watch.html.j2 shows of the watch of a run; None where there was none."""
    story, shown = view.timeline, view.shown
    read = read_watch(view.run.watch_file, shown.watch)
    if read is None or not read[0].started_at:
        return None
    watch, integrity = read
    old = view.labels.old
    scale, found = Scale(0.0, max(watch.now.t, 1.0)), _grouped(watch)
    return {
        "story": watch,
        "hour": hour,
        "figure": figure,
        "integrity": integrity,
        "ending": watch_ending(watch, integrity, old, rolled_back=story.last("rollback.started") is not None),
        "old": old,
        "tiles": _tiles(watch, old),
        "charts": [  # title, chart, and the words below it
            (f"{signal.label}{f', {signal.unit}' if signal.unit else ''}", chart, _limits_in_words(watch, signal))
            for signal in shown.watch.signals
            if (chart := signal_chart(watch, signal, scale)) is not None
        ],
        "colours": [(colour(number), name) for number, name in enumerate(watch.hosts)],
        "found": [one for one in found if one["verdict"] is not Verdict.INCONCLUSIVE],
        "unsure": [one for one in found if one["verdict"] is Verdict.INCONCLUSIVE],
        "notices": sorted([*_data(story, "notice"), *watch.notices], key=lambda one: str(one["at"])),
        "signoffs": _data(story, "signoff"),
        "table": list(table_lines(watch)),
    }


def _limits_in_words(story: WatchStory, signal: ShownSignal) -> str:
    words = []
    for level, value in limits_of(story, signal):
        hold = story.limits[signal.rule][level]["for_s"]
        words.append(f"{level} {value:g} {signal.unit}".strip() + (f" for {span(hold)}" if hold else ""))
    return f"Limits: {', '.join(words)}."


def _tiles(story: WatchStory, old: str) -> list[tuple[str, str]]:
    """The few figures of the watch at the top."""
    samples = sum(host.samples for host in story.hosts.values())
    passed = len({one.name for one in story.decided if one.verdict.lets_pass})
    tiles = [
        ("watched for", span(story.now.t)),
        ("samples", f"{samples:,}".replace(",", " ")),
        ("rows recorded", str(len(story.groups))),
        ("decision points passed", f"{passed} of {len(story.due)}"),
    ]
    if story.triggers:
        back = f"{between(story.triggers[0].last.at, story.back.at):.1f} s" if story.back else "not back"
        tiles.append((f"trigger to {old} in service", back))
    if story.scale != 1:
        tiles.append(("clock", f"{story.scale:g} times as fast"))
    return tiles


def _grouped(story: WatchStory) -> list[dict[str, Any]]:
    """Findings of one rule over all hosts, as one; the gravest first."""
    groups: dict[tuple[str, Verdict], list[RuleFinding]] = {}
    for one in story.findings:
        groups.setdefault((one.rule, one.verdict), []).append(one)
    found: list[dict[str, Any]] = []
    for (rule, verdict), ones in groups.items():
        longest = max(ones, key=lambda one: one.last.t - one.first.t)
        times = "" if len(ones) == 1 else f", {len(ones)} times"
        still = "" if all(one.over for one in ones) else "; not over"
        most = span(longest.last.t - longest.first.t)
        begin = f"from {hour(ones[0].first.t)} ({ones[0].first.at[11:19]}) to {hour(ones[-1].last.t)}"
        when, hosts = f"{begin}{times}; the longest for {most}{still}", dict.fromkeys(one.host for one in ones)
        words, next_ = longest.worst.words, longest.worst.next
        found.append({"verdict": verdict, "rule": rule, "hosts": hosts, "words": words, "next": next_, "when": when})
    return sorted(found, key=lambda one: -one["verdict"].severity)


def _data(run: Timeline, kind: str) -> list[Mapping[str, Any]]:
    """What records of the run itself say, and when (`at`)."""
    return [{"at": record.at} | record.data for record in run.of(kind)]


# The verdict of a watch in two plain sentences, for somebody who was not there.

TONE = {Verdict.PASS: "good", Verdict.WARN: "warn"}


def watch_ending(story: WatchStory, integrity: Integrity, old: str, *, rolled_back: bool = False) -> Ending:
    """How the watch ended, or how it is going; `old` is what the old release is called.

    `rolled_back`: the run's own journal has a rollback.
    """
    if integrity.broken:
        first = f"The journal of the watch was altered: {integrity.broken}."
        return Ending(
            "watch: not to be trusted", "bad", first, "What follows is taken from the records before the break."
        )
    if story.rollback is not None:
        return _back(story, old)
    second = _second(story)
    if story.end_word == "gone" or (rolled_back and story.finished is None):
        first = f"The watch ended at {hour(story.now.t)}: another command rolled the run back to {old}."
        return Ending("watch: ended", "warn", first, second)
    if hold := story.waiting:
        why = "; ".join(hold.reasons).rstrip(".")
        first = f"The watch is on hold {hold.where} and waits for a person: {why}."
        return Ending("watch: on hold", "warn", first, f"If nobody decides: {called(hold.default)}. {second}")
    if story.finished is None:
        first = f"The watch is at {hour(story.now.t)}; the newest verdict of the fleet is {story.fleet}."
        return Ending("watch: under way", "quiet" if story.fleet.lets_pass else "bad", first, second)
    were = "host was" if len(story.hosts) == 1 else "hosts were"
    first = f"{len(story.hosts)} {were} watched for {span(story.now.t)} ({names(story.hosts)}): {_sum(story)}."
    return Ending(f"watch: {story.final}", TONE.get(story.final, "bad"), first, second)


def _sum(story: WatchStory) -> str:
    """The decision points in words; of one that was not passed, who opened it after all."""
    if not story.decided:
        return f"{story.final}, without a decision point"
    passed = list(dict.fromkeys(one.name for one in story.decided if one.verdict.lets_pass))
    words = [f"{names(passed)} passed"] if passed else []
    for point in story.decided:
        if not point.verdict.lets_pass:
            holds = (one for one in story.holds if called(one.point) == point.name and one.when.t >= point.when.t)
            hold = next(holds, None)
            said = f": {hold.answer}" if hold and hold.closed else ""
            words.append(f"{point.name} was {point.verdict} ({point.answer}{said})")
    return "; ".join(words)


def _second(story: WatchStory) -> str:
    samples = sum(host.samples for host in story.hosts.values())
    missed = sum(host.missed for host in story.hosts.values())
    failed = f"{missed} failed" if missed else "all succeeded"
    gone = sum(gap.end - gap.start for gap in story.gaps)
    gaps = f"; no samples for {span(gone)}" if story.gaps else ""
    by = Counter(one.verdict for one in story.findings)
    found = [f"{by[verdict]} {verdict}" for verdict in reversed(Verdict) if by[verdict]]
    findings = f"Findings: {', '.join(found)}." if found else "No findings."
    return f"{f'{samples:,}'.replace(',', ' ')} samples, {failed}{gaps}. {findings}"


def _back(story: WatchStory, old: str) -> Ending:
    trigger = next(iter(story.triggers), None)
    by = (trigger.words if trigger else "; ".join(story.reasons) or "a person decided it").rstrip(".")
    if story.back is None or story.back_code not in (0, 4):
        first = f"The watch rolled the fleet back to {old} ({by}), and the rollback is not complete."
        return Ending("watch: a person is needed", "bad", first, "Take care of the hosts that are named below, now.")
    first = f"The watch rolled the fleet back to {old}: {by}."
    if trigger is None:
        return Ending("watch: rolled back", "bad", first, _second(story))
    fired, good, back = trigger.last.at, trigger.before, story.back.at
    seen = f"within {between(good.at, fired):.1f} s" if good else "at the first sample"
    whole = f", {between(good.at, back):.1f} s in all" if good else ""  # at most so long were users served badly
    second = f"It was detected {seen} and the fleet was back on {old} {between(fired, back):.1f} s after that{whole}."
    return Ending("watch: rolled back", "bad", first, second)


# A chart for each signal that has a limit, as SVG: a line a host, its limits, what happened meanwhile.

COLOURS = 10
TOP, BOTTOM, LABEL = 26, 176, 193
BINS, POINTS = 160, 2400  # how finely a line is drawn; how many points a chart may have in all
MOST_VALUES = 4  # that stand on the axis
VALUES = [factor * 10.0**power for power in range(-6, 13) for factor in (1, 2, 5)]  # how far apart
NEAR = 2.5  # a limit is drawn in up to so many times what was measured, else only named below the chart


def colour(number: int) -> str:
    """The classes of a host's line: ten colours, then the same dashed."""
    return f"h{number % COLOURS}{' again' if number >= COLOURS else ''}"


def _frame(story: WatchStory, scale: Scale) -> Iterator[str]:
    """Behind the figures: the watch's clock, holds, and gaps without samples."""
    away = [
        ("held", hold.when.t, hold.closed.t if hold.closed else story.now.t, f"on hold {hold.where}: {'; '.join(hold.reasons)}")
        for hold in story.holds
    ]  # fmt: skip
    away += [("gap", gap.start, gap.end, f"no samples: {gap.why}") for gap in story.gaps]
    for css, start, end, title in away:
        box = f'x="{scale.place(start)}" width="{max(1.5, scale.place(end) - scale.place(start)):.1f}"'
        yield f'<rect class="{css}" {box} y="{TOP}" height="{BOTTOM - TOP}"><title>{escape(title)}</title></rect>'
    for t in scale.ticks(12):
        x = scale.place(t)
        anchor = "end" if x > scale.end - 12 else "middle"
        yield f'<line class="grid" x1="{x}" x2="{x}" y1="{TOP}" y2="{BOTTOM}"/>'
        yield f'<text class="tick" x="{x}" y="{LABEL}" text-anchor="{anchor}">{_tick(t, scale.last)}</text>'


def _tick(t: float, last: float) -> str:
    if last > 48 * HOUR:
        return f"day {t / 24 / HOUR:g}"
    size, unit = (HOUR, "h") if last > 1.5 * HOUR else (60.0, "min") if last > 120 else (1.0, "s")
    return f"{t / size:g} {unit}"


def _marks(story: WatchStory, scale: Scale) -> Iterator[str]:
    """Before the figures: decision points, triggers, the moment at which the fleet was back."""
    marks = [("mark", one.when.t, f"{one.name}: {one.verdict}, {one.answer}") for one in story.decided]
    marks += [("mark back", one.last.t, f"{hour(one.last.t)}: trigger on {one.words}") for one in story.triggers]
    marks += [("mark limit", story.back.t, f"{hour(story.back.t)}: the rollback had ended")] if story.back else []
    for css, t, title in marks:
        x = scale.place(t)
        yield f'<line class="{css}" x1="{x}" x2="{x}" y1="{TOP}" y2="{BOTTOM}"><title>{escape(title)}</title></line>'


def limits_of(story: WatchStory, signal: ShownSignal) -> list[tuple[str, float]]:
    """Level and limit of the signal's rule as the watch was begun with them, the lowest first."""
    limits = story.limits.get(signal.rule, {})
    return sorted(
        ((level, limits[level]["limit"] * signal.times) for level in LEVELS if level in limits), key=lambda one: one[1]
    )


def signal_chart(story: WatchStory, signal: ShownSignal, scale: Scale) -> Markup | None:
    """The chart of a signal; None where it has no limit, or nothing was measured."""
    limits = limits_of(story, signal)
    lines = {one.name: one.series.get(signal.rule, []) for one in story.hosts.values()}
    seen = [value for line in lines.values() for _, value in line if value is not None]
    if not seen or not limits:
        return None
    near = [value for _, value in limits if value <= NEAR * max(seen)]
    upward = Scale(min(0.0, *seen), 1.12 * max([*seen, *near]) or 1.12 * limits[0][1] or 1.0, BOTTOM, TOP)
    body = [*_frame(story, scale), *_values(upward, signal.unit), *_limits(limits, upward, scale)]
    bins = max(12, min(BINS, POINTS // len(lines)))
    for number, (name, series) in enumerate(lines.items()):
        if path := _path(series, scale, upward, bins):
            body.append(f'<path class="curve {colour(number)}" d="{path}"><title>{escape(name)}</title></path>')
    body += _marks(story, scale)
    label = f"{signal.label} of {len(lines)} hosts over the watch; at most {max(seen):.4g} {signal.unit}".strip()
    return svg(body, LABEL + 6, label)


def _values(upward: Scale, unit: str) -> Iterator[str]:
    for value in upward.ticks(MOST_VALUES, VALUES):
        y = upward.place(value)
        yield f'<line class="grid" x1="{LEFT}" x2="{WIDTH - 16}" y1="{y}" y2="{y}"/>'
        yield f'<text class="tick" x="{LEFT - 8}" y="{y + 4}" text-anchor="end">{value:.6g} {escape(unit)}</text>'


def _limits(limits: Sequence[tuple[str, float]], upward: Scale, scale: Scale) -> Iterator[str]:
    """Lines at the limits that lie within the chart, named at the right."""
    place = BOTTOM + 9.0
    for level, value in limits:
        if value <= upward.last:
            y = upward.place(value)
            place = min(y - 4, place - 13)  # names do not cover each other
            yield f'<line class="threshold {level}" x1="{LEFT}" x2="{scale.end}" y1="{y}" y2="{y}"/>'
            yield f'<text class="threshold {level}" x="{scale.end}" y="{place}" text-anchor="end">{level} {value:g}</text>'


def _path(series: Sequence[tuple[float, float | None]], scale: Scale, upward: Scale, bins: int) -> str:
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
            place = (scale.place(t), upward.place(value))
            if piece != drawn or place != last:
                path += f"{'M' if piece != drawn else 'L'}{place[0]:g} {place[1]:g}"
            drawn, last = piece, place
    return path
