"""The live view of a watch in its widths and heights, and the plain lines where there is no terminal."""

import io
from datetime import timedelta

import pytest

from cutover.console.text import clean, rich_console
from cutover.monitor.views.live import WatchConsole, dashboard
from cutover.timeline.presentation import presentation
from tests.checkout import ROOT
from tests.console.test_live import Terminal
from tests.monitor.test_watch_view import reported
from tests.monitor.watch_journals import HOUR, Watching, calm, held, held_and_gone_on, rolled_back

SHOWN = presentation(ROOT, "abaco").watch


def drawn(watch: Watching, width: int, height: int | None = None) -> str:
    stream = io.StringIO()
    rich_console(stream, width).print(dashboard(reported(watch), watch.now, width, height))
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
    return calm(look_s=600)


@pytest.mark.parametrize("width", [80, 100, 160])
def test_the_live_view_fits_its_terminal(width: int) -> None:
    text = drawn(held(look_s=600), width)
    assert max(len(line) for line in text.splitlines()) <= width
    for words in (
        "hour 8.5",
        "ON HOLD at hour 8",
        "web2: memory 214 MB is over 200 MB",
        "then: rollback",
        "./invokew signoff",
        "30 min left",
    ):
        assert words in text
    for name in (
        "web1",
        "web2",
        "web3",
        "PAR30",
        "PortfolioHealth",
        "latency",
        "errors",
        "memory",
        "CPU",
        "restarts",
    ):
        assert name in text
    assert "…" not in text


def test_the_live_view_says_what_comes_next(quiet: Watching) -> None:
    watch = Watching(look_s=60).look(row=True).until(5400)
    watch.t += 300
    text = " ".join(drawn(watch, 160).split())
    assert "hour 1.583" in text
    assert "row in 25 min · hour 8 decides in 6 h 25 min · a sample every 60 s" in text
    assert "ended at 2026-01-03T04:00:00Z, exit code 0" in drawn(quiet, 80)


def test_what_was_found_stays_on_the_lowest_screen_and_hosts_give_way() -> None:
    watch = Watching(*(f"web{number:02}" for number in range(30))).look(row=True)
    watch.t += 600
    watch.servers[20].memory_mb, watch.servers[21].away = 900, "no route to host"
    watch.look()
    text = drawn(watch, 80, height=14)
    assert "web20: memory: 900 MB" in text
    assert "next: look after memory" in text
    assert "web21: no answer: no route to host" in text
    assert "? no answer" in text
    shown = [line for line in text.splitlines() if line.startswith("web") and ("PASS" in line or "FAIL" in line)]
    assert shown[0].startswith("web20")
    assert "hosts more, none of them worse" in text
    assert len(text.splitlines()) <= 14


def test_the_same_finding_on_several_hosts_is_told_once() -> None:
    watch = Watching().look(row=True)
    for server in watch.servers:
        server.memory_mb = 300
    watch.t += 600
    text = drawn(watch.look(), 120)
    assert text.count("memory: 300 MB") == 1
    assert "web1, web2, web3: memory: 300 MB" in text


def test_without_a_terminal_each_row_and_host_is_a_line(quiet: Watching) -> None:
    lines = plain(quiet)
    rows = [line for line in lines if "KPI latency" in line]
    assert len(rows) == 19 * 3
    assert rows[-1].startswith("2026-01-03T04:00:00Z  hour 24     web3          PASS")
    assert "Error rate 0%, Memory 45 MB, CPU of one core 3%, Restarts 0" in rows[-1]
    assert [line for line in lines if "decision point" in line][1].endswith("decision point hour 8: go on")


def test_plain_lines_tell_what_happens_between_rows() -> None:
    text = "\n".join(plain(held_and_gone_on(look_s=600)))
    for words in (
        "gap           no samples for 30 min: the controller was not running",
        "web3          INCONCLUSIVE  seen: no sample: no route to host; next: look after the way to it",
        "HOLD          at hour 8: web2: memory grew by 24 % an hour; web2: memory 214 MB is over 200 MB; a person decides within 60 min",
        "decided       go, by Ann Example, operations_lead: the leak is known",
        "WARN          hold: not sent to everybody",
    ):
        assert words in text
    assert "TRIGGER       error_rate: 0.3 share" in "\n".join(plain(rolled_back(look_s=60)))


def test_a_finding_is_told_once_and_not_at_every_look() -> None:
    lines = plain(held_and_gone_on(look_s=600))
    assert sum("memory: 20" in line for line in lines) == 1


def test_an_earlier_part_of_the_watch_is_known_and_not_shown_again() -> None:
    watch = Watching("web1").look(row=True).until(HOUR)
    stream = io.StringIO()
    console = WatchConsole(stream, SHOWN, history=watch.records)
    console(watch.look().records[-2])
    assert stream.getvalue() == ""
    assert console.story.hosts["web1"].samples == 32


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


def test_a_dumb_terminal_gets_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    stream = Terminal()
    console = WatchConsole(stream, SHOWN)
    for record in Watching("web1").look(row=True).records:
        console(record)
    assert "KPI latency" in stream.getvalue()
    assert "\x1b[?25l" not in stream.getvalue()


def test_a_host_cannot_write_to_the_terminal() -> None:
    watch = Watching("web1").look(row=True)
    watch.servers[0].away = "gone\x1b[2J\nweb9  PASS"
    watch.t += 120
    lines = plain(watch.look(row=True))
    assert not [line for line in lines if line.startswith("web9")]
