"""What is asked for and cannot be done: refused with what to do, before anything is touched."""

import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

import lab
from cutover.core.errors import UsageError
from lab import disk, preflight
from tests.checkout import ROOT

Place = Callable[[str], lab.Lab]


@pytest.fixture(autouse=True)
def complete(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that has everything, as root."""
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr("shutil.which", lambda program, **_options: program)
    monkeypatch.setattr("shutil.disk_usage", lambda _place: SimpleNamespace(free=10_000 << 20))


def found(here: lab.Lab) -> list[tuple[str, str]]:
    return [(problem.found, problem.next) for problem in preflight.problems(here, 3)]


def test_a_machine_that_has_everything_passes(place: Place) -> None:
    assert found(place("lab")) == []


def test_another_system_than_linux_is_refused(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "darwin")
    assert [what for what, _ in found(place("lab"))] == ["this machine runs darwin, expected Linux"]


def test_all_that_is_missing_is_listed_at_once_with_the_packages_to_install(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    missing = ("debootstrap", "systemd-nspawn")
    monkeypatch.setattr("shutil.which", lambda program, **_options: None if program in missing else program)
    assert [after for _, after in found(place("lab"))] == [
        "run it with sudo",
        "apt-get install debootstrap systemd-container",
    ]


def test_invokew_installs_every_package_that_not_every_debian_has() -> None:
    installed = re.split(r"[ ;]", (ROOT / "invokew").read_text())
    wanted = set(preflight.PROGRAMS.values()) - {"util-linux", "mount"}
    assert wanted
    assert {package for package in wanted if not any(word.endswith(f":{package}") for word in installed)} == set()


def test_a_disk_too_small_is_refused_with_what_is_needed(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _place: SimpleNamespace(free=299 << 20))
    here = place("lab")
    assert [what for what, _ in found(here)] == [
        "299 MB free, 300 MB needed for 3 hosts",
        "299 MB free, 1500 MB needed for 3 hosts",
    ]


def test_only_root_looks_at_directories_and_at_what_is_somebody_else_s(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = place("closed/lab")
    here.state.mkdir(parents=True)
    (here.state / "letters.txt").touch()
    assert [problem.path for problem in preflight.problems(here, 1)] == [str(here.state)]
    really = Path.stat

    def stat(path: Path, *, follow_symlinks: bool = True) -> object:
        if path.is_relative_to(here.state.parent) or path.is_relative_to(here.cache):
            raise PermissionError(13, "Permission denied", str(path))
        return really(path, follow_symlinks=follow_symlinks)

    monkeypatch.setattr(Path, "stat", stat)
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(UsageError) as refused:
        lab.up(1, lab=here)
    assert [problem.next for problem in refused.value.problems] == ["run it with sudo"]


def test_a_disk_that_became_full_while_it_was_filled_is_full(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    slot = place("lab").slot(1)
    slot.disk.mkdir(parents=True)
    monkeypatch.setattr(disk, "free_mb", lambda _slot: 7)
    asked: list[int] = []

    def fails(number: int, _handle: int, _start: int, size: int) -> None:
        asked.append(size)
        raise OSError(number, "no")

    monkeypatch.setattr("os.posix_fallocate", lambda *words: fails(28, *words))  # ENOSPC: the host wrote meanwhile
    disk.fill(slot, leave_mb=0)
    assert asked == [7 << 20]
    monkeypatch.setattr("os.posix_fallocate", lambda *words: fails(5, *words))
    with pytest.raises(OSError, match="no"):
        disk.fill(slot, leave_mb=0)
