"""The live table in its three shapes, and how far a run is by its journal."""

import re

import pytest

from cutover.console.progress import progress_of
from cutover.console.table import board
from cutover.console.text import clean, one_line, rich_console, short
from cutover.core.verdict import Verdict
from cutover.plan.phases import COMMITTING, PREPARING
from cutover.timeline.host_state import HostState
from cutover.timeline.timeline import timeline_of
from tests.console.drawing import LABELS, drawn
from tests.timeline.runs import Tape, at, failing, finding, mixed, rolled_back, success


@pytest.mark.parametrize("width", [80, 100, 132, 200])
def test_no_width_cuts_a_verdict_or_spills(width: int) -> None:
    for tape, until in ((rolled_back(), None), (success(), 5.25)):
        text = drawn(tape, width, until=until, height=40 if until else None)
        assert max(len(line) for line in text.splitlines()) <= width
        assert "PASS" in text
        assert ("FAIL" in text) is (until is None)


def test_a_running_cell_counts_and_the_bake_counts_down() -> None:
    assert "running 0.2s" in drawn(success(), 160, until=5.25, height=40).replace("\n", " ")
    assert "1.5s left" in drawn(success(), 160, until=7.5, height=40)
    assert "0.5s left" in drawn(success(), 160, until=8.5, height=40)


def test_hosts_that_look_alike_share_a_row_where_the_screen_is_too_small() -> None:
    hosts = [f"web{number:02}" for number in range(1, 61)]
    tape = Tape().begin(["web01"], hosts[1:]).phase(PREPARING[0], hosts, finding("web07", "disk", "FAIL", "full"))
    text = drawn(tape, 160, height=30)
    assert len(text.splitlines()) <= 30
    assert "web02 +57" in text
    assert re.search(r"web07\s+✗ FAIL", text)
    assert "web33" in drawn(tape, 160)  # the final table has a row for each


def test_what_was_cut_off_does_not_look_as_if_it_still_ran() -> None:
    tape = Tape().begin(["web1"]).write("phase.started", phase="preflight", title="T", hosts=["web1"])
    cell = progress_of(tape.wait(2).finish(130, "Interrupted").records).cell("web1", "preflight")
    assert cell is not None
    assert (cell.verdict, cell.seconds) == (Verdict.INCONCLUSIVE, 2.0)


@pytest.mark.parametrize("tape", [success, rolled_back, mixed, failing])
def test_console_and_report_agree_at_every_record_on_the_release_of_a_host(tape: type[Tape]) -> None:
    records = tape().records
    for end in range(len(records)):
        progress, timeline = progress_of(records[: end + 1]), timeline_of(records[: end + 1])
        for host in progress.hosts:
            state = progress.states.of(host)
            assert timeline.state(host) is (HostState.UNKNOWN if state is HostState.UNCONFIRMED else state)


def versions(tape: Tape) -> dict[str, str]:
    """The release of each host, by the console."""
    progress = progress_of(tape.records)
    return {host: progress.states.of(host).version(LABELS) for host in progress.hosts}


def test_the_release_of_each_host_is_known_and_what_was_not_confirmed_by_the_end_may_have_reverted() -> None:
    assert versions(rolled_back()) == {"web1": "V1", "web2": "V1"}
    assert versions(success()) == dict.fromkeys(("web1", "web2", "web3"), "V2")
    assert versions(mixed()) == {"web1": "unknown", "web2": "V1"}
    assert progress_of(rolled_back().write("run.started", hosts=["web1"]).records).finished is None
    tape = Tape().begin(["web1"]).phase(COMMITTING[0], ["web1"]).phase(COMMITTING[1], ["web1"])
    assert versions(tape) == {"web1": "V2"}
    assert versions(tape.finish(1, "bug")) == {"web1": "unknown"}


def test_a_record_that_nobody_expected_is_shown_and_breaks_nothing() -> None:
    tape = Tape().begin(["web1"]).write("gate", phase="preflight").write("never.seen", host="web1", what="news")
    assert "cannot be shown" in progress_of(tape.records).problems[0][1].found
    assert "cannot be shown" in drawn(tape, 160)


def test_text_of_a_host_cannot_move_the_cursor() -> None:
    assert clean("a\x1b[2J\x1b]0;t\x07b\rc\td\n") == "a]0;tbc    d\n"
    assert one_line('File "x", line 1\n  f()\n  ^^\nOSError: full') == 'File "x", line 1 OSError: full'
    tape = Tape().begin(["web1"]).phase(PREPARING[0], ["web1"], finding("web1", "n", "WARN", "\x1b[31mred\x1b[0m"))
    assert "\x1b" not in drawn(tape, 100)
    assert "red" in drawn(tape, 100)


def test_a_stream_without_our_marks_gets_ascii() -> None:
    import io

    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    rich_console(stream, 160).print(board(progress_of(rolled_back().records), at(9), "9s", 160))
    stream.flush()
    text = raw.getvalue().decode("ascii")
    assert "x FAIL" in text
    assert "+ PASS" in text


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0.0s"), (-1, "0.0s"), (9.94, "9.9s"), (9.96, "10s"), (99.4, "99s"), (99.6, "1m40s"), (100, "1m40s"), (3599, "59m59s"),
        (7260, "2h01m"),
    ],
)  # fmt: skip
def test_durations_are_short(seconds: float, words: str) -> None:
    assert short(seconds) == words
    assert len(words) <= 6
