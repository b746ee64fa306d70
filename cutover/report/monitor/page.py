"""The watch on the report's page: verdict, timeline, charts, what was found, who decided and was notified, how it ended."""

import json
from collections.abc import Mapping
from typing import Any

from cutover.console.text import span
from cutover.core.verdict import Verdict
from cutover.journal.rundir import RunDir
from cutover.monitor.views.story import RuleFinding, WatchStory, read_watch
from cutover.monitor.views.table import table_lines
from cutover.monitor.views.text import hour
from cutover.plan.plan import Plan
from cutover.release.wheels import digest_file
from cutover.report.monitor.charts import colour, limits_of, scale_of, signal_chart, timeline_chart
from cutover.report.monitor.ending import detection, watch_ending
from cutover.report.validation import COMPARISON
from cutover.timeline.presentation import Presentation
from cutover.timeline.presented import ShownSignal
from cutover.timeline.timeline import Timeline

Page = dict[str, Any]


def watch_page(run: RunDir, story: Timeline, shown: Presentation, plan: Plan | None) -> Page | None:
    """What templates/report_watch.html.j2 shows of the watch of a run; None where there was none."""
    read = read_watch(run.watch_file, shown.watch)
    if read is None or not read[0].started_at:
        return None
    watch, integrity = read
    old = plan.service.old if plan else "the old release"
    scale, found = scale_of(watch), _grouped(watch)
    return {
        "story": watch,
        "integrity": integrity,
        "ending": watch_ending(watch, integrity, old, rolled_back=story.last("rollback.started") is not None),
        "old": old,
        "tiles": _tiles(watch, old),
        "timeline": timeline_chart(watch, scale),
        "charts": [  # title, chart, and the words below it
            (f"{signal.label}{f', {signal.unit}' if signal.unit else ''}", chart, _limits(watch, signal))
            for signal in shown.watch.signals
            if (chart := signal_chart(watch, signal, scale)) is not None
        ],
        "colours": [(colour(number), name) for number, name in enumerate(watch.hosts)],
        "found": [one for one in found if one["verdict"] is not Verdict.INCONCLUSIVE],
        "unsure": [one for one in found if one["verdict"] is Verdict.INCONCLUSIVE],
        "notices": sorted([*_data(story, "notice"), *watch.notices], key=lambda one: str(one["at"])),
        "signoffs": _data(story, "signoff"),
        "detection": detection(watch),
        "table": list(table_lines(watch)),
    }


def measured_later(run: RunDir, page: Page | None) -> dict[tuple[str, str], dict[str, Any]]:
    """What was measured after the run, in the shape of a step's outcome: the watch's latest samples, and shadow reports."""
    found: dict[tuple[str, str], Any] = {}
    for host in page["story"].hosts.values() if page else ():
        if host.newest is not None:
            found[host.name, "watch.latest"] = host.newest
    for path in sorted(run.evidence.rglob(COMPARISON)):
        document = json.loads(path.read_text())
        if "hosts" not in document:  # the fleet's has every host, and what was measured is in their own
            found[str(document.get("host", path.parent.name)), "shadow.report"] = document
    return {key: {"after": {"document": document}} for key, document in found.items()}


def bundles(run: RunDir) -> list[tuple[str, int, str]]:
    """The bundles of evidence in the run's directory: name, size, digest."""
    paths = sorted(run.path.glob("evidence-*.tar"), reverse=True)
    return [(path.name, path.stat().st_size, digest_file(path)) for path in paths]


def _limits(story: WatchStory, signal: ShownSignal) -> str:
    """The limits in words."""
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
