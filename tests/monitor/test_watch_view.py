"""What is known of a watch while it goes: figures out of the looks, findings, and a journal that is not as it should be."""

import math
from pathlib import Path

import pytest

from cutover.core.samples import Judgement
from cutover.core.verdict import Verdict
from cutover.journal.record import Record
from cutover.monitor.views.live import watch_lines
from cutover.monitor.views.story import WatchStory, read_watch
from cutover.monitor.views.text import in_short
from cutover.timeline.presentation import presentation
from tests.checkout import ROOT
from tests.monitor.watch_journals import HOUR, Watching, held, held_and_gone_on, rolled_back

SHOWN = presentation(ROOT, "abaco").watch


def reported(watch: Watching) -> WatchStory:
    story = WatchStory(shown=SHOWN)
    for record in watch.records:
        story.take(record)
    assert story.odd == []
    return story


def test_figures_come_from_the_documents_of_the_looks() -> None:
    watch = Watching("web1").look(row=True).until(1.25 * HOUR)
    host = reported(watch).hosts["web1"]
    assert host.series["latency"].latest == pytest.approx(11 * (1 + 0.2 * watch.servers[0].wave(watch.t)), rel=1e-6)
    assert host.series["memory"].latest == pytest.approx(41, abs=0.5)
    assert host.series["cpu"].latest == pytest.approx(3, rel=0.4)
    assert host.series["error_rate"].latest == 0.0
    assert set(host.values) == {"PAR30", "PAR90", "CollectionRate", "PortfolioHealth"}
    assert (
        host.series["latency"].values[0] != host.series["latency"].values[0]
    )  # one look alone has no rate: not measured


def test_an_error_rate_is_of_the_tapes_of_its_window() -> None:
    watch = Watching("web1").look().until(HOUR)
    watch.servers[0].errors = 0.5
    watch.look_s = 1800.0
    watch.until(watch.t + 1800)
    assert reported(watch).hosts["web1"].series["error_rate"].latest == pytest.approx(25, rel=0.02)


def test_a_restart_is_counted_and_takes_nothing_off_the_counters() -> None:
    watch = Watching("web1").look().until(1200)
    server = watch.servers[0]
    server.invocation, server.processed, server.sum_s, server.cpu_s = "b" * 32, 0.0, 0.0, 0.0
    watch.until(2400)
    host = reported(watch).hosts["web1"]
    assert host.series["restarts"].latest == 1
    known = [value for name in ("latency", "cpu") for value in host.series[name].values if not math.isnan(value)]
    assert min(known) >= 0
    assert max(known) < 20


def test_nobody_looking_and_not_reaching_a_host_are_holes_and_no_zero() -> None:
    story = reported(held(look_s=600))
    web3, gap = story.hosts["web3"], story.gaps[0]
    assert (gap.end - gap.start, web3.missed) == (1800, 2)
    holes = [t for t, value in web3.series["memory"] if math.isnan(value)]
    assert holes == [gap.start, 7 * HOUR + 600, 7 * HOUR + 1200]


def test_a_finding_has_a_beginning_and_an_end() -> None:
    story = reported(held_and_gone_on(look_s=600))
    memory = [one for one in story.findings if one.rule == "memory"]
    assert [(one.host, one.verdict) for one in memory] == [("web2", Verdict.WARN)]
    assert memory[0].over is not None
    assert memory[0].over.t > memory[0].last.t >= memory[0].first.t
    assert memory[0].before is not None
    assert memory[0].before.t == memory[0].first.t - 600
    assert story.hosts["web2"].open == {}


def test_the_watch_in_the_file_is_the_watch_that_was_heard(tmp_path: Path) -> None:
    watch = rolled_back(look_s=300)
    heard = reported(watch)
    read = read_watch(watch.save(tmp_path), SHOWN)
    assert read is not None
    story, integrity = read
    assert (integrity.records, integrity.head, integrity.broken) == (len(watch.records), watch.records[-1].hash, "")
    assert story.groups == heard.groups
    assert story.triggers == heard.triggers
    assert story.findings == heard.findings
    assert read_watch(tmp_path / "none.jsonl", SHOWN) is None


def test_an_altered_or_torn_watch_is_told(tmp_path: Path) -> None:
    path = Watching("web1").look(row=True).until(1200).save(tmp_path)
    text = path.read_text()
    path.write_text(text.replace('"verdict":"INCONCLUSIVE"', '"verdict":"PASS"', 1))
    altered = read_watch(path, SHOWN)
    assert altered is not None
    assert "the chain is broken" in altered[1].broken
    path.write_text(text[:-5])
    torn = read_watch(path, SHOWN)
    assert torn is not None
    assert (torn[1].torn, torn[1].broken) == (True, "")


def test_a_record_that_is_not_as_expected_is_noted_and_ends_nothing() -> None:
    watch = (
        Watching("web1")
        .look(row=True)
        .write("judged", host="web1", strange=True)
        .write("sample")
        .write("something.new", t="x")
    )
    watch.t += 120
    story = WatchStory(shown=SHOWN)
    for record in watch.look().records:
        story.take(record)
    assert [one.partition(" cannot")[0] for one in story.odd] == ["record 4 (judged)", "record 5 (sample)"]
    assert story.hosts["web1"].samples == 2


def test_lines_of_an_odd_record_are_none() -> None:
    story = WatchStory(shown=SHOWN)
    record = Record.following(None, "2026-01-02T03:04:05.000Z", "hold.opened", {"point": "hour_1"})
    assert story.take(record) == []
    assert list(watch_lines(record, story)) == []
    assert len(story.odd) == 1


def test_what_only_says_that_too_little_was_seen_is_one_line() -> None:
    few = [Judgement("h", rule, Verdict.INCONCLUSIVE, "n 1") for rule in ("b", "a", "c")]
    fine, bad = (
        Judgement("h", "fine", Verdict.PASS, ""),
        Judgement("h", "d", Verdict.WARN, "5 of 3", "look", pending=True),
    )
    grave = Judgement("h", "e", Verdict.FAIL, "9 of 3", "act")
    assert in_short([*few, fine, bad, grave]) == [
        (Verdict.FAIL, "e: 9 of 3", "act"),
        (Verdict.WARN, "d: 5 of 3 (pending)", "look"),
        (Verdict.INCONCLUSIVE, "too little was seen so far, or not measured, to judge a, b, c", ""),
    ]
    assert [words for _, words, _ in in_short(few[:2])] == ["b: n 1", "a: n 1"]
