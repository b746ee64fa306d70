"""The watch on the report's page: verdict, timeline, charts, what was found, who decided and was notified, how it ended."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from cutover.agent.compare import dig
from cutover.core.verdict import Verdict
from cutover.journal.rundir import RunDir
from cutover.monitor.state import Hold, When
from cutover.monitor.views.story import Decision, NoticeEntry, RuleFinding, WatchStory, read_watch
from cutover.monitor.views.table import TableLine, table_lines
from cutover.monitor.views.text import called, hour, span
from cutover.plan.plan import Plan
from cutover.release.wheels import digest_file
from cutover.report.monitor.charts import colour, limits_of, scale_of, signal_chart, timeline_chart
from cutover.report.monitor.ending import TriggerDetection, detection, watch_ending
from cutover.report.validation import COMPARISON
from cutover.timeline.endings import Ending
from cutover.timeline.presentation import Presentation
from cutover.timeline.presented import ShownSignal
from cutover.timeline.timeline import Integrity, Timeline


@dataclass(frozen=True)
class FindingGroup:
    """Findings of one rule over several hosts, as one."""

    verdict: Verdict
    rule: str
    hosts: tuple[str, ...]
    words: str
    next: str
    when: str


@dataclass(frozen=True)
class WatchPage:
    """Everything that the page shows of a watch; a chart has its title and the words below it."""

    story: WatchStory
    integrity: Integrity
    ending: Ending
    old: str  # what the old release is called
    tiles: list[tuple[str, str]]
    timeline: Markup
    charts: list[tuple[str, Markup, str]]
    colours: list[tuple[str, str]]
    found: list[FindingGroup]
    unsure: list[FindingGroup]
    decisions: list[Decision]
    notices: list[NoticeEntry]
    signoffs: list[Mapping[str, Any]]
    detection: TriggerDetection | None
    table: list[TableLine]


def watch_page(run: RunDir, story: Timeline, shown: Presentation, plan: Plan | None) -> WatchPage | None:
    """The watch of a run; None where there was none."""
    read = read_watch(run.watch_file, shown.watch)
    if read is None or not read[0].started_at:
        return None
    watch, integrity = read
    old = plan.service.old if plan else "the old release"
    scale, found = scale_of(watch), _grouped(watch)
    charts = [
        (f"{signal.label}{f', {signal.unit}' if signal.unit else ''}", chart, _limits(watch, signal))
        for signal in shown.watch.signals
        if (chart := signal_chart(watch, signal, scale)) is not None
    ]
    return WatchPage(
        story=watch,
        integrity=integrity,
        ending=watch_ending(watch, integrity, old, rolled_back=story.last("rollback.started") is not None),
        old=old,
        tiles=_tiles(watch, old),
        timeline=timeline_chart(watch, scale),
        charts=charts,
        colours=[(colour(number), name) for number, name in enumerate(watch.hosts)],
        found=[one for one in found if one.verdict is not Verdict.INCONCLUSIVE],
        unsure=[one for one in found if one.verdict is Verdict.INCONCLUSIVE],
        decisions=sorted([*watch.decided, *map(_of_hold, watch.holds)], key=lambda one: one.when.t),
        notices=_notices(story, watch),
        signoffs=[{"at": record.at} | record.data for record in story.of("signoff")],
        detection=detection(watch),
        table=list(table_lines(watch)),
    )


def measured_later(run: RunDir, page: WatchPage | None, values: str) -> dict[tuple[str, str], dict[str, Any]]:
    """What was measured after the run, in the shape of a step's outcome: the watch's latest samples, and shadow reports."""
    found: dict[tuple[str, str], Any] = {}
    for host in page.story.hosts.values() if page else ():
        if host.first is None or host.last is None:
            continue
        found[host.name, "watch.latest"] = host.last
        before, after = (dig(documents, values) for documents in (host.first, host.last))
        found[host.name, "watch.moved"] = {
            name: after[name] / before[name] - 1 for name in before if after.get(name) and before[name]
        }
    found |= {(name, "shadow.report"): document for name, document in _shadows(run.evidence)}
    return {key: {"after": {"document": document}} for key, document in found.items()}


def bundles(run: RunDir) -> list[tuple[str, int, str]]:
    """The bundles of evidence in the run's directory: name, size, digest."""
    paths = sorted(run.path.glob("evidence-*.tar"), reverse=True)
    return [(path.name, path.stat().st_size, digest_file(path)) for path in paths]


def _shadows(evidence: Path) -> Iterator[tuple[str, Any]]:
    """The comparisons of both releases in the evidence, by host."""
    for path in sorted(evidence.rglob(COMPARISON)) if evidence.is_dir() else ():
        document = json.loads(path.read_text())
        if "hosts" not in document:  # the fleet's has every host, and what was measured is in their own
            yield str(document.get("host", path.parent.name)), document


def _limits(story: WatchStory, signal: ShownSignal) -> str:
    """The limits in words."""
    held = {level: row.get("for_s", 0.0) for level, row in story.limits.get(signal.rule, {}).items()}
    words = [
        f"{limit.words} {signal.unit}".strip() + (f" for {span(held[limit.level])}" if held[limit.level] else "")
        for limit in limits_of(story, signal)
    ]
    return f"Limits: {', '.join(words)}."


def _tiles(story: WatchStory, old: str) -> list[tuple[str, str]]:
    """The few figures of the watch at the top."""
    samples = sum(host.samples for host in story.hosts.values())
    passed = len({one.name for one in story.decided if one.verdict.lets_pass})
    tiles = [
        ("watched for", span(story.end)),
        ("samples", f"{samples:,}".replace(",", " ")),
        ("rows recorded", str(len(story.groups))),
        ("decision points passed", f"{passed} of {len(story.due)}"),
    ]
    if seen := detection(story):
        tiles.append(
            (f"trigger to {old} in service", "not back" if seen.back_after_s is None else f"{seen.back_after_s:.1f} s")
        )
    if story.scale != 1:
        tiles.append(("clock", f"{story.scale:g} times as fast"))
    return tiles


def _grouped(story: WatchStory) -> list[FindingGroup]:
    """Findings of one rule over all hosts, as one; the gravest first."""
    groups: dict[tuple[str, Verdict], list[RuleFinding]] = {}
    for one in story.findings:
        groups.setdefault((one.rule, one.verdict), []).append(one)
    found = []
    for (rule, verdict), ones in groups.items():
        longest = max(ones, key=lambda one: one.last.t - one.first.t)
        times = "" if len(ones) == 1 else f", {len(ones)} times"
        still = "" if all(one.over for one in ones) else "; not over"
        most = span(longest.last.t - longest.first.t)
        begin = f"from {hour(ones[0].first.t)} ({ones[0].first.at[11:19]}) to {hour(ones[-1].last.t)}"
        when, hosts = f"{begin}{times}; the longest for {most}{still}", tuple(dict.fromkeys(one.host for one in ones))
        found.append(FindingGroup(verdict, rule, hosts, longest.worst.words, longest.worst.next, when))
    return sorted(found, key=lambda one: -one.verdict.severity)


def _of_hold(hold: Hold) -> Decision:
    """A hold among the decisions; it stands below the point that opened it, which has its reasons."""
    verdict, reasons = Verdict.WARN if hold.closed else Verdict.INCONCLUSIVE, () if hold.point else hold.reasons
    if hold.closed is None:
        answer = f"nobody has decided; at its deadline ({hour(hold.deadline_t)}): {called(hold.default)}"
    else:
        note = f" ({hold.note})" if hold.note else ""
        answer = f"{called(hold.decision)}, by {called(hold.by)}, after {span(hold.closed.t - hold.when.t)}{note}"
    return Decision(hold.when, f"hold {hold.where}", verdict, answer, reasons)


def _notices(run: Timeline, story: WatchStory) -> list[NoticeEntry]:
    """Who was notified of what, by the run and by its watch."""
    earlier = [NoticeEntry.of(When(record.at, 0.0), record.data) for record in run.of("notice")]
    return sorted([*earlier, *story.notices], key=lambda one: one.when.at)
