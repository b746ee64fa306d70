"""The watch on the report's page: verdict, what was found, the table, who decided and was notified, how it ended."""

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

from cutover.console.text import names, span
from cutover.core.times import between
from cutover.core.verdict import Verdict
from cutover.journal.rundir import RunDir
from cutover.monitor.views.story import RuleFinding, WatchStory, read_watch
from cutover.monitor.views.table import table_lines
from cutover.monitor.views.text import called, hour
from cutover.plan.plan import Plan
from cutover.report.validation import COMPARISON
from cutover.timeline.endings import Ending
from cutover.timeline.presentation import Presentation
from cutover.timeline.timeline import Integrity, Timeline

Page = dict[str, Any]


def watch_page(run: RunDir, story: Timeline, shown: Presentation, plan: Plan | None) -> Page | None:
    """What templates/report_watch.html.j2 shows of the watch of a run; None where there was none."""
    read = read_watch(run.watch_file, shown.watch)
    if read is None or not read[0].started_at:
        return None
    watch, integrity = read
    old = plan.service.old if plan else "the old release"
    found = _grouped(watch)
    return {
        "story": watch,
        "integrity": integrity,
        "ending": watch_ending(watch, integrity, old, rolled_back=story.last("rollback.started") is not None),
        "old": old,
        "tiles": _tiles(watch, old),
        "found": [one for one in found if one["verdict"] is not Verdict.INCONCLUSIVE],
        "unsure": [one for one in found if one["verdict"] is Verdict.INCONCLUSIVE],
        "notices": sorted([*_data(story, "notice"), *watch.notices], key=lambda one: str(one["at"])),
        "signoffs": _data(story, "signoff"),
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
    gaps = f"; no samples for {span(story.unseen_s)}" if story.unseen_s else ""
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
