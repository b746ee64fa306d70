"""The audit trail through crashes at any moment and full disks: nothing acknowledged is lost, nothing half stays."""

import json
import os
from pathlib import Path

import pytest

from kpi import durable
from kpi.audit import HEAD, Event, verify
from kpi.audit.appending import Appender
from tests.kpi.crashing import CrashError, crash_at
from tests.kpi.trails import numbers, write, writing

EFFECTS = ("append", "replace_lazily", "sync_directories")


@pytest.mark.parametrize("after", [False, True])
def test_a_crash_at_any_effect_loses_nothing_that_was_acknowledged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, after: bool
) -> None:
    number, crashes = 0, True
    while crashes:
        number += 1
        directory = tmp_path / str(number)
        directory.mkdir()
        write(directory, 5)
        with monkeypatch.context() as patch:
            crash_at(patch, EFFECTS, number, after=after)
            acknowledged, crashes = _write_until_crash(directory, 5, 12)
        write(directory, 8, 100)
        assert verify(directory).problems == verify(directory, full=True).problems == []
        kept = [value for value in numbers(directory) if value < 100]
        assert kept in (list(range(acknowledged)), list(range(acknowledged + 1)))
    assert number > 20


def _write_until_crash(directory: Path, first: int, end: int) -> tuple[int, bool]:
    acknowledged = first
    try:
        with writing(directory) as trail:
            for number in range(first, end):
                trail.record([Event("something", details={"number": number})])
                acknowledged += 1
    except CrashError:
        return acknowledged, True
    return acknowledged, False


@pytest.mark.parametrize("times", [1, 3])
def test_a_full_disk_leaves_no_half_of_a_record_and_heals(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    real = os.write
    with writing(tmp_path) as trail:
        for number in range(30):
            refusals = times if number % 4 == 0 else 0

            def write(descriptor: int, content: memoryview) -> int:
                nonlocal refusals
                if refusals and len(content) > 50:
                    return real(descriptor, content[:50])  # the disk takes a part, and refuses the rest
                if refusals:
                    refusals -= 1
                    raise OSError(28, "No space left on device")
                return real(descriptor, content)

            with monkeypatch.context() as patch:
                patch.setattr(os, "write", write)
                while True:
                    try:
                        trail.record([Event("something", details={"number": number})])
                        break
                    except OSError:
                        assert refusals >= 0
            assert verify(tmp_path).problems == []
    assert numbers(tmp_path) == list(range(30))


def test_a_head_that_cannot_be_written_takes_its_record_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with writing(tmp_path) as trail:
        trail.record([Event("something", details={"number": 0})])
        with monkeypatch.context() as patch:
            patch.setattr(durable, "replace_lazily", refuse)
            with pytest.raises(OSError, match="No space"):
                trail.record([Event("something", details={"number": 1})])
        assert trail.seq == 1
        trail.record([Event("something", details={"number": 1})])
    assert verify(tmp_path).problems == []
    assert numbers(tmp_path) == [0, 1]
    assert json.loads((tmp_path / HEAD).read_bytes())["seq"] == 2


def test_what_cannot_even_be_cut_off_is_cut_off_before_the_next_append(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(5, "Input/output error")

    file = Appender(tmp_path / "file")
    file.append(b"one\n")

    def write_a_part(descriptor: int, content: bytes) -> None:
        os.write(descriptor, content[:2])
        refuse()

    with monkeypatch.context() as patch:
        patch.setattr(durable, "append", write_a_part)
        patch.setattr(os, "ftruncate", refuse)
        with pytest.raises(OSError, match="Input/output"):
            file.append(b"two\n")
    assert (tmp_path / "file").read_bytes() == b"one\ntw"
    file.append(b"three\n")
    file.close()
    assert (tmp_path / "file").read_bytes() == b"one\nthree\n"
