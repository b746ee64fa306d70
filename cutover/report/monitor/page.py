"""The watch on the report's page: verdict, course, charts, what was found, who decided and was told, each host, how it ended."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from cutover.console.values import follow
from cutover.core.verdict import Verdict
from cutover.journal.rundir import RunDir
from cutover.monitor.views.clock import called, hour, span
from cutover.monitor.views.ending import Detection, detection, watch_ending
from cutover.monitor.views.events import Finding, Hold, Notice, When
from cutover.monitor.views.host import HostWatch
from cutover.monitor.views.numbers import figure
from cutover.monitor.views.reading import read_watch
from cutover.monitor.views.table import Line, lines
from cutover.monitor.views.timeline import WatchStory
from cutover.release.wheels import digest_file
from cutover.report.monitor.curves import colour, limits_of, signal_chart, value_chart
from cutover.report.monitor.timeline_chart import course_chart, scale_of
from cutover.report.validation import COMPARISON
from cutover.timeline.endings import Ending
from cutover.timeline.presentation import Presentation
from cutover.timeline.timeline import Integrity, Story

LISTED = 40  # findings that are shown at once; the rest is folded away


@dataclass(frozen=True)
class Drawn:
    """A chart with its heading and the words below it."""

    title: str
    chart: Markup
    words: str


@dataclass(frozen=True)
class Found:
    """Findings of one rule that began on several hosts in the same way, as one."""

    verdict: Verdict
    rule: str
    hosts: tuple[str, ...]
    words: str
    next: str
    when: str


@dataclass(frozen=True)
class Decision:
    """A decision point that was reached, or a hold that was opened."""

    when: When
    name: str
    verdict: Verdict
    answer: str
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class WatchPage:
    """Everything that the page shows of a watch; a row of a table is a tuple of its cells."""

    story: WatchStory
    integrity: Integrity
    ending: Ending
    tiles: list[tuple[str, str]]
    course: Markup
    figures: list[Drawn]
    values: list[Drawn]
    colours: list[tuple[str, str]]
    found: list[Found]
    unsure: list[Found]
    decisions: list[Decision]
    notices: list[Notice]
    signoffs: list[Mapping[str, Any]]
    detection: Detection | None
    table: list[Line]
    hosts: list[tuple[HostWatch, list[tuple[str, str]], list[Finding]]]


def watch_page(run: RunDir, story: Story, shown: Presentation) -> WatchPage | None:
    """The watch of a run; None where there was none."""
    read = read_watch(run.watch_file, shown.watch)
    if read is None or read[0].began is None:
        return None
    watch, integrity = read
    scale = scale_of(watch)
    figures = [
        Drawn(f"{signal.label}{f', {signal.unit}' if signal.unit else ''}", chart, _limits(watch, signal.name))
        for signal in shown.watch.signals
        if signal.chart and (chart := signal_chart(watch, signal, scale)) is not None
    ]
    drift = watch.limits.get(shown.watch.values_rule, {}).get("warn", {}).get("limit")
    names = dict.fromkeys(name for host in watch.hosts.values() for name in host.values)
    values = [Drawn(name, chart, "") for name in names if (chart := value_chart(watch, name, scale, drift)) is not None]
    found = _grouped(watch)
    return WatchPage(
        story=watch,
        integrity=integrity,
        ending=watch_ending(watch, integrity, taken_back=story.last("rollback.started") is not None),
        tiles=_tiles(watch),
        course=course_chart(watch, scale),
        figures=figures,
        values=values,
        colours=[(colour(number), name) for number, name in enumerate(watch.hosts)],
        found=[one for one in found if one.verdict in (Verdict.FAIL, Verdict.ERROR, Verdict.WARN)],
        unsure=[one for one in found if one.verdict is Verdict.INCONCLUSIVE],
        decisions=_decisions(watch),
        notices=_notices(story, watch),
        signoffs=[{"at": record.at} | record.data for record in story.of("signoff")],
        detection=detection(watch),
        table=list(lines(watch)),
        hosts=[(host, _facts(watch, host), _of(watch, host)) for host in watch.hosts.values()],
    )


def measured_later(run: RunDir, page: WatchPage | None, values: str) -> dict[tuple[str, str], dict[str, Any]]:
    """What was measured after the run, in the shape of a step's outcome: the watch's latest looks, and shadow reports."""
    found: dict[tuple[str, str], Any] = {}
    for host in page.story.hosts.values() if page else ():
        if host.first is None or host.last is None:
            continue
        found[host.name, "watch.latest"] = host.last
        before, after = (follow(documents, values.split(".")) for documents in (host.first, host.last))
        found[host.name, "watch.moved"] = {
            name: after[name] / before[name] - 1 for name in before if after.get(name) and before[name]
        }
    found |= {(name, "shadow.report"): document for name, document in _shadows(run.evidence)}
    return {key: {"after": {"document": document}} for key, document in found.items()}


def bundles(run: RunDir) -> list[tuple[str, int, str]]:
    """The bundles of evidence that lie in the run's directory: name, size, digest."""
    return [
        (path.name, path.stat().st_size, digest_file(path))
        for path in sorted(run.path.glob("evidence-*.tar"), reverse=True)
    ]


def _shadows(evidence: Path) -> Iterator[tuple[str, Any]]:
    """The comparisons of both versions that lie in the evidence, by host."""
    for path in sorted(evidence.rglob(COMPARISON)) if evidence.is_dir() else ():
        document = json.loads(path.read_text())
        if "hosts" not in document:  # the fleet's has every host, and what was measured is in their own
            yield str(document.get("host", path.parent.name)), document


def _limits(story: WatchStory, name: str) -> str:
    """The thresholds in words."""
    signal = next(signal for signal in story.shown.signals if signal.name == name)
    held = {level: told.get("for_s", 0.0) for level, told in story.limits.get(signal.rule, {}).items()}
    told = [
        f"{limit.words} {signal.unit}".strip() + (f" for {span(held[limit.level])}" if held[limit.level] else "")
        for limit in limits_of(story, signal)
    ]
    return f"Limits: {', '.join(told)}." if told else ""


def _tiles(story: WatchStory) -> list[tuple[str, str]]:
    """The few figures of the watch at the top."""
    samples = sum(host.samples for host in story.hosts.values())
    told = [
        ("watched for", span(story.end)),
        ("looks", f"{samples:,}".replace(",", " ")),
        ("rows recorded", str(len(story.groups))),
    ]
    reached = sum(1 for name in {one.name for one in story.decided if one.verdict.lets_pass})
    told.append(("decision points passed", f"{reached} of {len(story.due)}"))
    seen = detection(story)
    if seen is not None:
        told.append(
            ("trigger to V1 in service", "not back" if seen.back_after_s is None else f"{seen.back_after_s:.1f} s")
        )
    if story.scale != 1:
        told.append(("clock", f"{story.scale:g} times as fast"))
    return told


def _grouped(story: WatchStory) -> list[Found]:
    """Findings of one rule that stood in one look after the other, over all hosts; the gravest first."""
    groups: dict[tuple[str, Verdict], list[Finding]] = {}
    for one in story.findings:
        groups.setdefault((one.rule, one.verdict), []).append(one)
    found = []
    for (rule, verdict), ones in groups.items():
        longest = max(ones, key=lambda one: one.last.t - one.first.t)
        hosts = tuple(dict.fromkeys(one.host for one in ones))
        times = "" if len(ones) == 1 else f", {len(ones)} times"
        still = "" if all(one.over for one in ones) else "; not over"
        most = span(longest.last.t - longest.first.t)
        when = f"from {hour(ones[0].first.t)} ({ones[0].first.at[11:19]}) to {hour(ones[-1].last.t)}{times}; the longest for {most}{still}"
        found.append(Found(verdict, rule, hosts, longest.worst.words, longest.worst.next, when))
    return sorted(found, key=lambda one: -one.verdict.severity)


def _decisions(story: WatchStory) -> list[Decision]:
    """Points and holds in the order of time; a hold stands below the point that opened it."""
    told = [Decision(one.when, one.name, one.verdict, one.answer, one.reasons) for one in story.decided]
    told += [
        Decision(
            hold.when,
            f"hold {hold.where}",
            Verdict.WARN if hold.closed else Verdict.INCONCLUSIVE,
            _said(hold),
            () if hold.point else hold.reasons,
        )
        for hold in story.holds
    ]
    return sorted(told, key=lambda one: one.when.t)


def _notices(run: Story, story: WatchStory) -> list[Notice]:
    """Who was told what, by the run and by its watch."""
    earlier = [Notice.of(When(record.at, 0.0), record.data) for record in run.of("notice")]
    return sorted([*earlier, *story.notices], key=lambda one: one.when.at)


def _said(hold: Hold) -> str:
    if hold.closed is None:
        return f"nobody has decided; at its deadline ({hour(hold.deadline_t)}): {hold.default}"
    note = f" ({hold.note})" if hold.note else ""
    return f"{hold.decision}, by {called(hold.by)}, after {span(hold.closed.t - hold.when.t)}{note}"


def _facts(story: WatchStory, host: HostWatch) -> list[tuple[str, str]]:
    """The newest figures of a host."""
    told = [(signal.label, figure(signal, host.figure(signal)[0])) for signal in story.shown.signals]
    told += [
        (name, "-" if series.latest is None else format(series.latest, ".6g")) for name, series in host.values.items()
    ]
    unseen = f", {host.missed} of them failed" if host.missed else ""
    return [*told, ("looks", f"{host.samples}{unseen}")]


def _of(story: WatchStory, host: HostWatch) -> list[Finding]:
    return [one for one in story.findings if one.host == host.name][:LISTED]
