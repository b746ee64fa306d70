"""What is asked for and cannot be: told with what to do, and nothing is touched."""

from collections.abc import Callable
from pathlib import Path

import pytest

import lab
from cutover.core.errors import UsageError
from lab import base, checks, disk

Place = Callable[[str], lab.Lab]


def test_who_is_not_root_and_may_not_look_is_told_to_use_sudo(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    here = place("closed/lab")
    (here.state.parent).mkdir()
    really = Path.stat

    def stat(path: Path, *, follow_symlinks: bool = True) -> object:
        if path.is_relative_to(here.state) or path.is_relative_to(here.cache):
            raise PermissionError(13, "Permission denied", str(path))
        return really(path, follow_symlinks=follow_symlinks)

    monkeypatch.setattr(Path, "stat", stat)
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert not base.is_built(here)
    with pytest.raises(UsageError) as refused:
        lab.up(1, lab=here)
    assert "run it with sudo" in [problem.next for problem in refused.value.problems]


def test_only_root_looks_for_what_is_another_s(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    here = place("lab")
    here.state.mkdir()
    (here.state / "letters.txt").touch()
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert checks.look(here).foreign == ()
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert [problem.path for problem in checks.look(here).foreign] == [str(here.state)]


def test_less_than_nothing_cannot_be_left_free(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    touched: list[lab.Lab] = []
    monkeypatch.setattr(disk, "empty", touched.append)
    with pytest.raises(UsageError, match="-5 MB left free asked for") as refused:
        disk.fill(place("lab").seat(1), leave_mb=-5)
    assert refused.value.problems[0].path == "--leave-mb"
    assert touched == []


def test_a_disk_that_became_full_while_it_was_filled_is_full(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    seat = place("lab").seat(1)
    seat.disk.mkdir(parents=True)
    monkeypatch.setattr(disk, "space", lambda _seat: disk.Space(7, filled=False))
    asked: list[int] = []

    def fails(number: int, _handle: int, _start: int, size: int) -> None:
        asked.append(size)
        raise OSError(number, "no")

    monkeypatch.setattr("os.posix_fallocate", lambda *words: fails(28, *words))  # ENOSPC: the host wrote meanwhile
    disk.fill(seat, leave_mb=0)
    assert asked == [7 << 20]
    monkeypatch.setattr("os.posix_fallocate", lambda *words: fails(5, *words))
    with pytest.raises(OSError, match="no"):
        disk.fill(seat, leave_mb=0)
