"""On a terminal: the table that redraws itself, what it leaves behind, and what must not break a run."""

import io
import os
import threading

import pytest

from cutover.console.live import Console
from cutover.console.text import clean
from cutover.journal.record import Record
from tests.timeline.runs import RUN, at, failing, success


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """Yes."""
        return True


def live(monkeypatch: pytest.MonkeyPatch, records: list[Record], **environment: str) -> str:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setenv("LINES", "50")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    stream = Terminal()
    with Console(stream, now=lambda: at(20)) as console:
        for record in records:
            console(record)
    for thread in threading.enumerate():
        if "Refresh" in type(thread).__name__:
            thread.join(5)
            assert not thread.is_alive()
    return stream.getvalue()


def test_on_a_terminal_the_whole_table_is_left_on_the_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = live(monkeypatch, success().records)
    last = clean(shown[shown.rindex("run 2026") :])
    assert last.count("PASS") == 18
    assert last.count("WARN") == 4
    assert "running" not in last
    assert shown.rstrip("\n").endswith("\x1b[?25h")  # the cursor is back


def test_nothing_is_on_the_screen_while_a_person_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the plan and its approval nothing is drawn: the question has the terminal for itself."""
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    console = Console(stream)
    for record in success().records[:2]:
        console(record)
    before = stream.getvalue()
    assert "making a plan" in clean(before)
    assert before.rstrip("\n").endswith("\x1b[2K")  # and what was drawn is erased
    assert console._live is None


@pytest.mark.parametrize("terminal", [{"TERM": "dumb"}, {"COLUMNS": "79"}])
def test_a_dumb_or_narrow_terminal_gets_lines(monkeypatch: pytest.MonkeyPatch, terminal: dict[str, str]) -> None:
    shown = live(monkeypatch, failing().records, **terminal)
    assert "starts" in shown
    assert "\x1b[?25l" not in shown


def test_a_reader_that_goes_away_does_not_end_the_run() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as stream:
        console = Console(stream)
        for record in success().records:
            console(record)
        stream.flush()  # goes nowhere, and does not fail either
    finished = console._progress.finished
    assert finished is not None  # every record was taken in
    assert finished.data["status"] == "on V2"


def test_an_earlier_part_of_the_run_is_known_and_not_shown_again() -> None:
    records = success().records
    stream = io.StringIO()
    console = Console(stream, history=records[:20])
    console(records[20])
    assert console._progress.run == RUN
    assert stream.getvalue().count("\n") <= 1


def write(console: Console, records: list[Record]) -> None:
    for record in records:
        console(record)


def test_many_threads_may_write_while_the_table_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Listener, drawing and `say` use two locks: whoever holds one never waits for the other."""
    monkeypatch.setenv("TERM", "xterm-256color")
    stream = Terminal()
    records = success().records
    with Console(stream, verbose=True, now=lambda: at(20)) as console:
        for record in records[:3]:
            console(record)
        workers = [threading.Thread(target=write, args=(console, records[3:-1]), daemon=True) for _ in range(2)]
        for worker in workers:
            worker.start()
        for _ in range(5):
            console.show("shown in between")
        for worker in workers:
            worker.join(60)
        assert not any(worker.is_alive() for worker in workers)
    assert stream.getvalue().count("shown in between") == 5


def test_what_is_said_stands_above_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "100")
    stream = Terminal()
    with Console(stream, now=lambda: at(20)) as console:
        for record in success().records[:6]:
            console(record)
        console.say("SIGINT: stopping at the next safe place")
        for thread in threading.enumerate():
            if thread.name == "console-say":
                thread.join(60)
    text = clean(stream.getvalue())
    assert text.rindex("SIGINT") < text.rindex("batch host")
