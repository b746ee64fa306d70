"""What people see while a run goes: the table in its three shapes, the plain lines, and what must not break a run."""

import io
import re
from collections.abc import Callable

import pytest

from cutover.console.live import Console
from cutover.console.progress import progress_of
from cutover.console.table import board
from cutover.console.text import clean, one_line, paper, short
from cutover.core.verdict import Verdict
from cutover.journal.record import Record
from cutover.plan.phases import COMMITTING, PREPARING
from cutover.timeline.host_state import Place
from cutover.timeline.timeline import story_of
from tests.checkout import ROOT
from tests.timeline import tell_runs
from tests.timeline.tell_runs import Tape, at, failing, finding, mixed, rolled_back, success

GOLDEN = ROOT / "tests" / "golden" / "tell"


def same_as_golden(name: str, text: str) -> None:
    expected = (GOLDEN / f"{name}.txt").read_text()
    assert text == expected, (
        f"tests/golden/tell/{name}.txt has something else; if the new text is right, put it there:\n{text}"
    )


def drawn(tape: Tape, width: int, *, until: float | None = None, height: int | None = None) -> str:
    """The board as text, without colours, at some second of the run."""
    seconds = tape.seconds if until is None else until
    seen = [
        record
        for record in tape.records
        if record.at <= at(seconds).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    ]
    stream = io.StringIO()
    paper(stream, width).print(board(progress_of(seen), at(seconds), short(seconds), width, height))
    return stream.getvalue()


def plain(records: list[Record], *, verbose: bool = False) -> str:
    stream = io.StringIO()
    console = Console(stream, verbose=verbose)
    for record in records:
        console(record)
    console.close()
    return stream.getvalue()


@pytest.mark.parametrize(
    ("name", "tape", "width", "until"),
    [
        ("wide_while_running", success, 160, 5.25),
        ("80_columns_while_running", success, 80, 5.25),
        ("80_columns_bake", success, 80, 7.5),
        ("narrow_while_running", success, 44, 5.25),
        ("wide_done", success, 160, None),
        ("80_columns_rolled_back", rolled_back, 80, None),
        ("wide_mixed", mixed, 160, None),
    ],
)
def test_the_table(name: str, tape: Callable[[], Tape], width: int, until: float | None) -> None:
    text = drawn(tape(), width, until=until, height=None if until is None else 40)
    assert max(len(line) for line in text.splitlines()) <= width
    same_as_golden(f"table_{name}", text)


@pytest.mark.parametrize("width", [20, 40, 60, 79, 80, 81, 100, 120, 132, 200])
def test_no_width_cuts_a_verdict_or_spills(width: int) -> None:
    text = drawn(rolled_back(), width)
    assert max(len(line) for line in text.splitlines()) <= width
    assert "FAIL" in text
    assert "PASS" in text


def test_every_state_has_a_word_besides_its_colour() -> None:
    text = drawn(success(), 160, until=5.25, height=40)
    assert {"WARN", "PASS", "running", "waiting"} <= set(re.findall(r"[A-Za-z]+", text))
    unsure = (
        Tape().begin(["web1"]).phase(PREPARING[0], ["web1"], finding("web1", "x", "INCONCLUSIVE", "nothing was judged"))
    )
    assert "INCONCLUSIVE" in drawn(unsure, 160)


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
    tape = (
        Tape()
        .begin(["web1"])
        .write("phase.started", phase="preflight", title="T", hosts=["web1"])
        .wait(2)
        .finish(130, "Interrupted")
    )
    cell = progress_of(tape.records).cell("web1", "preflight")
    assert cell is not None
    assert (cell.verdict, cell.seconds) == (Verdict.INCONCLUSIVE, 2.0)


def versions(tape: Tape) -> dict[str, str]:
    """Where each host is, by the console."""
    progress = progress_of(tape.records)
    return {host: progress.version(host) for host in progress.hosts}


@pytest.mark.parametrize("tape", [success, rolled_back, mixed, failing])
def test_console_and_report_say_the_same_of_each_host_after_every_record(tape: Callable[[], Tape]) -> None:
    """One rule; they differ only while V2 serves unconfirmed, which is worth something to who watches and nothing later."""
    records = tape().records
    for end in range(len(records)):
        progress, story = progress_of(records[: end + 1]), story_of(records[: end + 1])
        for host in progress.hosts:
            place = progress.whereabouts.place(host)
            assert story.where(host) == (Place.BETWEEN if place is Place.SERVING else place)
            assert progress.version(host) == place.version


def test_what_was_not_confirmed_by_the_end_may_have_gone_back() -> None:
    tape = Tape().begin(["web1"]).phase(COMMITTING[0], ["web1"]).phase(COMMITTING[1], ["web1"])
    assert versions(tape) == {"web1": "V2"}
    assert versions(tape.finish(1, "bug")) == {"web1": "unknown"}


def test_a_second_attempt_of_a_run_starts_over_and_the_last_rollback_decides() -> None:
    tape = rolled_back()
    assert versions(tape) == {"web1": "V1", "web2": "V1"}
    assert versions(success()) == dict.fromkeys(("web1", "web2", "web3"), "V2")
    assert versions(mixed()) == {"web1": "unknown", "web2": "V1"}
    tape.write("run.started", hosts=["web1"], purpose="rollback")
    assert progress_of(tape.records).finished is None


def test_a_finding_of_many_hosts_is_one_note_even_if_it_names_its_host() -> None:
    tape = Tape().begin(["web1", "web10"])
    tape.phase(
        PREPARING[0],
        ["web1", "web10"],
        *(finding(host, "reach", "FAIL", f"{host}: no route to web1") for host in ("web1", "web10")),
    )
    notes = progress_of(tape.records).notes
    assert [(note.found, note.hosts) for note in notes] == [
        ("web1: no route to web1", ["web1"]),
        ("web10: no route to web1", ["web10"]),
    ]
    tape = Tape().begin(["web1", "web2"])
    tape.phase(
        PREPARING[0],
        ["web1", "web2"],
        *(finding(host, "reach", "FAIL", f"{host}: no route") for host in ("web1", "web2")),
    )
    assert [(note.found, note.hosts) for note in progress_of(tape.records).notes] == [
        ("<host>: no route", ["web1", "web2"])
    ]


@pytest.mark.parametrize(("name", "tape"), [("success", success), ("rolled_back", rolled_back), ("mixed", mixed)])
def test_plain_lines(name: str, tape: Callable[[], Tape]) -> None:
    same_as_golden(f"lines_{name}", plain(tape().records))


def test_steps_are_told_when_verbose_and_only_those_that_failed_or_changed() -> None:
    tape = Tape().begin(["web1"])
    tape.write("outcome", **tell_runs.outcome("web1", PREPARING[0], id="a.changed"))
    tape.write("outcome", **tell_runs.outcome("web1", PREPARING[0], id="a.same", changed=False))
    tape.write(
        "outcome",
        **tell_runs.outcome(
            "web1", PREPARING[0], id="a.bad", ok=False, error="no", differences=["x: found 1, expected 2"]
        ),
    )
    assert "a.changed" not in plain(tape.records)
    told = plain(tape.records, verbose=True)
    assert "a.changed: do it" in told
    assert "a.same" not in told
    assert "a.bad: do it (0.250 s): no; x: found 1, expected 2" in told


def test_a_record_that_nobody_expected_is_told_and_breaks_nothing() -> None:
    tape = Tape().begin(["web1"]).write("gate", phase="preflight").write("never.seen", host="web1", what="news")
    assert "cannot be shown" in progress_of(tape.records).notes[0].found
    assert plain(tape.records).count("\n") == 3


def test_text_of_a_host_cannot_move_the_cursor() -> None:
    assert clean("a\x1b[2J\x1b]0;t\x07b\rc\td\n") == "a]0;tbc    d\n"
    assert one_line('File "x", line 1\n  f()\n  ^^\nOSError: full') == 'File "x", line 1 OSError: full'
    tape = Tape().begin(["web1"]).phase(PREPARING[0], ["web1"], finding("web1", "n", "WARN", "\x1b[31mred\x1b[0m"))
    assert "\x1b" not in plain(tape.records) + drawn(tape, 100)


def test_a_stream_without_our_marks_gets_ascii() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    paper(stream, 160).print(board(progress_of(rolled_back().records), at(9), "9s", 160))
    stream.flush()
    text = raw.getvalue().decode("ascii")
    assert "x FAIL" in text
    assert "+ PASS" in text


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0.0s"),
        (-1, "0.0s"),
        (9.94, "9.9s"),
        (9.96, "10s"),
        (99.4, "99s"),
        (99.6, "1m40s"),
        (100, "1m40s"),
        (3599, "59m59s"),
        (7260, "2h01m"),
    ],
)
def test_durations_are_short(seconds: float, words: str) -> None:
    assert short(seconds) == words
    assert len(words) <= 6
