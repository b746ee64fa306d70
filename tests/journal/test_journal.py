"""The journal: chained, durable, and every alteration is found."""

import os
import threading
from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path

import pytest

from cutover.core.errors import Locked, UsageError
from cutover.journal.journal import ROOM, Journal, read
from cutover.journal.record import START, Record, parse

NOTE = "é «»\n\u2028\x00"


def ticking() -> Callable[[], str]:
    seconds = count()
    return lambda: f"2026-01-02T03:04:{next(seconds):02d}.000Z"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    journal = Journal(tmp_path / "run" / "journal.jsonl", ticking())
    for number in range(4):
        journal.write("intent", host=f"web{number}", phase="backup", note=NOTE)
    journal.close()
    return journal.path


def test_records_are_chained_and_read_back(path: Path) -> None:
    records = read(path)
    assert [record.seq for record in records] == [1, 2, 3, 4]
    assert [record.prev for record in records] == [START, *(record.hash for record in records[:-1])]
    assert (records[2].host, records[2].phase, records[2].data["note"]) == ("web2", "backup", NOTE)


TORN = Record.following(None, "2026-01-02T03:04:05.000Z", "outcome", {}).line().encode()[:-1]  # all but its line's end


def rehashed(lines: list[str]) -> list[str]:
    """By someone who knows how one record is hashed."""
    first = next(parse(lines[:1], "j"))
    return [lines[0], Record.following(first, first.at, "intent", {"host": "web9"}).line(), *lines[2:]]


ALTERATIONS: dict[str, Callable[[list[str]], list[str]]] = {
    "edited": lambda lines: [lines[0], lines[1].replace("web1", "web9"), *lines[2:]],
    "rehashed": rehashed,
    "deleted": lambda lines: [lines[0], *lines[2:]],
    "doubled": lambda lines: [lines[0], *lines[:]],
    "swapped": lambda lines: [lines[0], lines[2], lines[1], lines[3]],
    "truncated inside": lambda lines: [lines[0], lines[1][:40], *lines[2:]],
    "extra key": lambda lines: [lines[0], lines[1].replace('{"seq"', '{"more":1,"seq"'), *lines[2:]],
}


@pytest.mark.parametrize("alteration", ALTERATIONS)
def test_every_alteration_is_found(path: Path, alteration: str) -> None:
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_text("".join(ALTERATIONS[alteration](path.read_text().splitlines(keepends=True))))
    with pytest.raises(UsageError) as refused:
        read(path)
    assert f"{path}:" in refused.value.problems[0].found
    with pytest.raises(UsageError):
        Journal(path)


@pytest.mark.parametrize("left", [1, 30, len(TORN)])
def test_a_torn_last_line_is_left_out_and_cut_off_before_the_next(path: Path, left: int) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole + TORN[:left])
    assert len(read(path)) == 4
    journal = Journal(path, ticking())
    journal.write("outcome", host="web1")
    journal.close()
    assert path.read_bytes().startswith(whole)
    assert [record.kind for record in read(path)] == ["intent"] * 4 + ["outcome"]


def test_a_line_that_is_finished_while_it_is_read_is_left_out(path: Path) -> None:
    first, second, *_ = path.read_text().splitlines(keepends=True)
    assert len(list(parse(iter([first, second[:30], second[30:]]), "j"))) == 1


def test_listeners_are_called_in_order_after_the_record_is_on_disk(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j", ticking())
    shown: list[tuple[str, int, int]] = []
    for name in ("console", "log"):
        journal.listen(lambda record, name=name: shown.append((name, record.seq, len(read(journal.path)))))  # type: ignore[misc]
    journal.write("a")
    journal.write_all("b", [{"n": 1}, {"n": 2}])
    journal.close()
    assert shown == [
        ("console", 1, 1),
        ("log", 1, 1),
        ("console", 2, 3),
        ("log", 2, 3),
        ("console", 3, 3),
        ("log", 3, 3),
    ]


def test_records_that_travel_together_are_flushed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(tmp_path / "j", ticking())
    flushed: list[int] = []
    monkeypatch.setattr(os, "fsync", flushed.append)
    journal.write_all("outcome", [{"n": number} for number in range(10)])
    journal.write_all("outcome", [])
    assert len(flushed) == 1
    assert [record.data["n"] for record in journal.of("outcome")] == list(range(10))
    journal.close()


def test_a_full_disk_leaves_no_half_record_and_the_chain_goes_on(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(path, ticking())
    write, room = os.write, iter([20, 20])

    def full(file: int, content: bytes) -> int:
        left = next(room, 0)
        if not left:
            raise OSError(28, "No space left on device")
        return write(file, content[:left])

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        with pytest.raises(OSError, match="No space"):
            journal.write("outcome", note="x" * 200)
    assert len(journal.records) == 4
    journal.write("outcome", note="there is room again")
    journal.close()
    assert [record.kind for record in read(path)] == ["intent"] * 4 + ["outcome"]


def test_many_threads_write_one_chain(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j")

    def write(name: int) -> None:
        for number in range(20):
            journal.write_all("outcome", [{"by": name, "n": number}, {"by": name, "n": number}])

    threads = [threading.Thread(target=write, args=(name,)) for name in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    journal.close()
    records = read(tmp_path / "j")
    assert len(records) == 8 * 20 * 2
    assert all(first.data == second.data for first, second in zip(records[::2], records[1::2], strict=True))
    for name in range(8):
        assert [record.data["n"] for record in records if record.data["by"] == name][::2] == list(range(20))


def test_two_processes_do_not_write_one_journal(path: Path) -> None:
    journal = Journal(path, ticking())
    with pytest.raises(Locked, match="another process on this machine"):
        Journal(path, ticking())
    journal.close()
    Journal(path, ticking()).close()


def test_a_journal_that_was_cut_is_found_out_by_what_a_host_has_heard(path: Path) -> None:
    journal = Journal(path, ticking())
    head = journal.head
    assert head is not None
    journal.refuse_cut([head])
    journal.close()
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:2]))
    other = Journal(path, ticking())
    other.refuse_cut([{**head, "journal": "f" * 64}])  # the head of another machine's journal says nothing of this one
    with pytest.raises(UsageError, match="knows record 4"):
        other.refuse_cut([head])
    again = Journal(path, ticking())  # it was closed
    again.write_all("intent", [{"host": "web9"}] * 3)  # it goes another way, as far as before
    with pytest.raises(UsageError, match="knows record 4"):
        again.refuse_cut([head])


@pytest.mark.parametrize(
    "fault", [BrokenPipeError(32, "Broken pipe"), UnicodeEncodeError("utf-8", "\ud800", 0, 1, "no")]
)
def test_a_listener_that_is_gone_ends_no_run(tmp_path: Path, fault: Exception) -> None:
    journal = Journal(tmp_path / "j", ticking())
    heard: list[str] = []

    def terminal(_record: Record) -> None:
        raise fault

    journal.listen(terminal)
    journal.listen(partial(terminal))
    journal.listen(lambda record: heard.append(record.kind))
    journal.write("intent", host="web1")
    journal.write("outcome", host="web1")
    assert [record.kind for record in journal.records] == ["intent", "listener.lost", "listener.lost", "outcome"]
    assert heard.count("outcome") == 1


def test_reserved_room_stays_behind_the_end_also_for_who_opens_it_next(path: Path) -> None:
    size = path.stat().st_size
    journal = Journal(path, ticking())
    assert journal.reserve(4)
    if path.stat().st_blocks * 512 < 4 * ROOM:
        pytest.skip("the file system of this directory reserves nothing")
    journal.close()
    Journal(path, ticking()).close()
    now = path.stat()
    assert now.st_size == size
    assert now.st_blocks * 512 >= 4 * ROOM
    assert len(read(path)) == 4


def test_the_way_back_does_not_wait_for_room_and_what_was_not_written_follows(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_room(_file: int) -> None:
        raise OSError(28, "No space left on device")

    journal = Journal(path, ticking())
    journal.goes_on_unwritten = True
    known = journal.head
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", no_room)
        journal.write("rollback.started", hosts=["web1"])
        journal.write("intent", host="web1")
    assert (len(read(path)), len(journal.records), len(journal.unwritten)) == (4, 6, 2)
    assert journal.head == known  # a host is not shown of what is not on disk
    journal.write("rollback.finished", hosts=["web1"])
    journal.close()
    assert [record.kind for record in read(path)][-3:] == ["rollback.started", "intent", "rollback.finished"]
    assert journal.unwritten == []
