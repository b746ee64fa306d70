"""What is known of a watch from its journal, the live view in its widths and heights, and the plain lines where there is no terminal."""

import io
from datetime import timedelta
from pathlib import Path

import pytest

from cutover.console.text import clean, rich_console
from cutover.core.samples import Judgement
from cutover.core.verdict import Verdict
from cutover.monitor.views.live import WatchConsole, dashboard
from cutover.monitor.views.story import read_watch
from cutover.monitor.views.text import in_short
from tests.console.test_live import Terminal
from tests.monitor.watch_journals import HOUR, SHOWN, Watching, calm, held, held_and_gone_on, rolled_back


def drawn(watch: Watching, width: int, height: int | None = None) -> str:
    stream = io.StringIO()
    rich_console(stream, width).print(dashboard(watch.story(), watch.now, height))
    return clean(stream.getvalue())


def plain(watch: Watching) -> list[str]:
    stream = io.StringIO()
    console = WatchConsole(stream, SHOWN)
    for record in watch.records:
        console(record)
    console.close()
    assert "\x1b" not in stream.getvalue()
    return stream.getvalue().splitlines()


@pytest.fixture(scope="module")
def quiet() -> Watching:
    return calm()


def test_nobody_looking_and_not_reaching_a_host_are_holes_and_no_zero() -> None:
    story = held().story()
    web3, gap = story.hosts["web3"], story.gaps[0]
    assert (gap.end - gap.start, web3.missed) == (1800, 2)
    holes = [t for t, value in web3.series["memory"] if value is None]
    assert holes == [gap.start, 7 * HOUR + 600, 7 * HOUR + 1200]


def test_a_finding_has_a_beginning_and_an_end() -> None:
    story = held_and_gone_on().story()
    (memory,) = [one for one in story.findings if one.rule == "memory"]
    assert (memory.host, memory.verdict) == ("web2", Verdict.WARN)
    assert memory.over is not None
    assert memory.over.t > memory.last.t >= memory.first.t
    assert memory.before is not None
    assert memory.before.t == memory.first.t - 600
    assert story.hosts["web2"].open == {}


def test_the_watch_in_the_file_is_the_watch_that_was_heard(tmp_path: Path) -> None:
    watch = rolled_back(look_s=300)
    read = read_watch(watch.save(tmp_path), SHOWN)
    assert read is not None
    story, integrity = read
    assert (integrity.records, integrity.head, integrity.broken) == (len(watch.records), watch.records[-1].hash, "")
    assert story == watch.story()
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
    assert torn[1].broken == ""


def test_what_only_says_that_too_little_was_seen_is_one_line() -> None:
    few = [Judgement("h", rule, Verdict.INCONCLUSIVE, "n 1") for rule in ("b", "a", "c")]
    bad = Judgement("h", "d", Verdict.WARN, "5 of 3", "look", pending=True)
    grave = Judgement("h", "e", Verdict.FAIL, "9 of 3", "act")
    assert in_short([*few, Judgement("h", "fine", Verdict.PASS, ""), bad, grave]) == [
        (Verdict.FAIL, "e: 9 of 3", "act"),
        (Verdict.WARN, "d: 5 of 3 (pending)", "look"),
        (Verdict.INCONCLUSIVE, "too little was seen so far, or not measured, to judge a, b, c", ""),
    ]
    assert [words for _, words, _ in in_short(few[:2])] == ["b: n 1", "a: n 1"]


@pytest.mark.parametrize("width", [80, 160])
def test_the_live_view_fits_its_terminal(width: int) -> None:
    text = drawn(held(), width)
    assert max(len(line) for line in text.splitlines()) <= width
    for words in (
        "hour 8.5", "ON HOLD at hour 8", "web2: memory 214 MB is over 200 MB", "then: rollback", "./invokew signoff", "30 min left",
        "web1", "web2", "web3", "latency", "errors", "memory", "CPU", "restarts",
    ):  # fmt: skip
        assert words in text
    assert "…" not in text


def test_the_live_view_says_what_comes_next(quiet: Watching) -> None:
    watch = Watching().look(row=True).until(5400)
    watch.t += 300
    text = " ".join(drawn(watch, 160).split())
    assert "hour 1.583" in text
    assert "row in 25 min · hour 8 decides in 6 h 25 min · a sample every 10 min" in text
    assert "ended at 2026-01-03T04:00:00Z, exit code 0" in drawn(quiet, 80)


def test_what_was_found_stays_on_the_lowest_screen_and_hosts_give_way() -> None:
    watch = Watching(*(f"web{number:02}" for number in range(30))).look(row=True)
    watch.t += 600
    watch.servers[20].memory_mb, watch.servers[21].away = 900, "no route to host"
    watch.servers[22].memory_mb = 900  # the same on several hosts is one finding
    watch.look()
    text = drawn(watch, 80, height=14)
    for words in (
        "web20, web22: memory: 900 MB",
        "next: look after memory",
        "web21: no answer: no route to host",
        "? no answer",
    ):
        assert words in text
    shown = [line for line in text.splitlines() if line.startswith("web") and ("PASS" in line or "FAIL" in line)]
    assert shown[0].startswith("web20")
    assert "hosts more, none of them worse" in text
    assert len(text.splitlines()) <= 14


def test_without_a_terminal_each_row_and_host_is_a_line(quiet: Watching) -> None:
    lines = plain(quiet)
    rows = [line for line in lines if "KPI latency" in line]
    assert len(rows) == 19 * 3
    assert rows[-1].startswith("2026-01-03T04:00:00Z  hour 24     web3          PASS")
    assert "Error rate 0%, Memory 45 MB, CPU of one core 3%, Restarts 0" in rows[-1]
    assert [line for line in lines if "decision point" in line][1].endswith("decision point hour 8: go on")


def test_plain_lines_tell_once_what_happens_between_rows() -> None:
    lines = plain(held_and_gone_on())
    for words in (
        "gap           no samples for 30 min: the controller was not running",
        "web3          INCONCLUSIVE  seen: no sample: no route to host; next: look after the way to it",
        "HOLD          at hour 8: web2: memory grew by 24 % an hour; web2: memory 214 MB is over 200 MB; a person decides within 60 min",
        "decided       go, by Ann Example, operations_lead: the leak is known",
        "WARN          hold: not sent to everybody",
        "memory: 20",
    ):
        assert sum(words in line for line in lines) == 1
    assert "TRIGGER       error_rate: 0.3 share" in "\n".join(plain(rolled_back(look_s=300)))
    watch = Watching("web1").look(row=True)
    watch.servers[0].away = "gone\x1b[2J\nweb9  PASS"  # a host cannot write to the terminal
    watch.t += 120
    assert not [line for line in plain(watch.look(row=True)) if line.startswith("web9")]


def test_on_a_terminal_the_view_is_left_on_the_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("TERM", "xterm-256color"), ("COLUMNS", "160"), ("LINES", "40")):
        monkeypatch.setenv(name, value)
    watch = rolled_back(look_s=300)
    stream = Terminal()
    with WatchConsole(stream, SHOWN, now=lambda: watch.now + timedelta(seconds=5)) as console:
        for record in watch.records:
            console(record)
    text = clean(stream.getvalue())
    last = text[text.rindex("watch 2026") :]
    assert "✗ trigger: web2: error_rate" in last
    assert last.count("PASS") == 2
    assert "TRIGGER" in text[: -len(last)]
    assert stream.getvalue().rstrip("\n").endswith("\x1b[?25h")  # the cursor is back
