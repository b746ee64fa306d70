"""What no lab made is never removed: neither by lab.down nor with --purge, whatever CUTOVER_LAB_DIR says."""

import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

import lab
from cutover.core.errors import ExitCode, Refused, UsageError
from lab import base, marks, mounts
from lab.lock import hold

Place = Callable[[str], lab.Lab]


@pytest.fixture
def unmounted(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands that were run to undo mounts."""
    ran: list[list[str]] = []
    monkeypatch.setattr(mounts, "run", ran.append)
    return ran


def mounted(monkeypatch: pytest.MonkeyPatch, *places: Path) -> None:
    monkeypatch.setattr(mounts, "_table", lambda: [(place, "tmpfs", "rw") for place in places])


def a_base(cache: Path, name: str = "0123456789abcdef") -> Path:
    for sign in base._SIGNS:
        (cache / name / sign).parent.mkdir(parents=True)
        (cache / name / sign).write_text("ours\n")
    return cache / name


@pytest.mark.parametrize("purge", [False, True])
def test_a_directory_with_somebody_s_files_is_refused_and_left_as_it_is(
    place: Place, unmounted: list[list[str]], monkeypatch: pytest.MonkeyPatch, purge: bool
) -> None:
    here = place("mine")
    (here.state / "disk").mkdir(parents=True)
    (here.state / "letters.txt").write_text("mine")
    mounted(monkeypatch, here.state / "disk")
    with pytest.raises(UsageError, match="no lab made") as refused:
        lab.down(lab=here, purge=purge)
    assert refused.value.exit_code is ExitCode.USAGE
    assert "CUTOVER_LAB_DIR" in refused.value.problems[0].next
    assert (here.state / "letters.txt").read_text() == "mine"
    assert unmounted == []


def test_up_refuses_it_before_anything_is_made_together_with_all_else(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = place("mine")
    here.state.mkdir()
    (here.state / "letters.txt").write_text("mine")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr("shutil.which", lambda *_words, **_options: None)
    with pytest.raises(UsageError) as refused:
        lab.up(1, lab=here)
    found = [problem.found for problem in refused.value.problems]
    assert any("not installed" in each for each in found)
    assert any("no lab made" in each for each in found)
    assert [path.name for path in here.state.iterdir()] == ["letters.txt"]


def test_a_file_in_the_place_of_the_directory_is_told_so(place: Place) -> None:
    here = place("file")
    here.state.write_text("")
    with pytest.raises(UsageError, match="not a directory"):
        lab.down(lab=here)


def test_a_directory_that_cannot_be_made_is_told_so(place: Place) -> None:
    (place("file").state).write_text("")
    with pytest.raises(UsageError, match="cannot be made or opened: Not a directory"):
        lab.down(lab=place("file/below"))


@pytest.mark.parametrize("there", [False, True])
def test_an_absent_or_empty_directory_becomes_the_lab_s_and_goes_with_it(place: Place, there: bool) -> None:
    here = place("new")
    if there:
        here.state.mkdir()
    with hold(here.state, wait=False):
        marks.claim(here.state)
    (here.state / "hosts").mkdir()
    assert marks.problems(here.state) == ()
    assert lab.down(lab=here) == ()
    assert not here.state.exists()


def test_down_without_a_lab_leaves_nothing_and_takes_nothing(place: Place) -> None:
    absent, empty = place("absent"), place("empty")
    empty.state.mkdir()
    assert lab.down(lab=absent) == lab.down(lab=empty) == ()
    assert not absent.state.exists()
    assert empty.state.is_dir()


def test_what_somebody_mounted_inside_a_lab_is_neither_undone_nor_removed_through(
    place: Place, unmounted: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    here = place("lab")
    (here.state / "mnt").mkdir(parents=True)
    (here.state / "note").touch()
    (here.state / marks._NAME).touch()
    mounted(monkeypatch, here.state / "mnt")
    with pytest.raises(Refused, match="no lab mounted") as refused:
        lab.down(lab=here)
    assert f"umount {here.state / 'mnt'}" in refused.value.problems[0].next
    assert unmounted == []
    assert (here.state / "note").exists()
    assert marks.is_marked(here.state)  # so that lab.down can be given again


def test_a_purge_takes_the_bases_and_nothing_else_of_the_cache(place: Place) -> None:
    here = place("lab")
    a_base(here.cache)
    (here.cache / f"{base._BUILDING}7").mkdir()
    (here.cache / "fedcba9876543210").mkdir()  # named like a base, and none
    (here.cache / "letters.txt").write_text("mine")
    lab.down(lab=here, purge=True)
    assert sorted(path.name for path in here.cache.iterdir()) == ["fedcba9876543210", "letters.txt"]


def test_a_cache_of_bases_alone_goes_with_them_and_an_empty_one_stays(place: Place) -> None:
    here = place("lab")
    a_base(here.cache)
    lab.down(lab=here)
    assert here.cache.is_dir()
    lab.down(lab=here, purge=True)
    assert not here.cache.exists()
    here.cache.mkdir()
    lab.down(lab=here, purge=True)
    assert here.cache.is_dir()


def test_mounts_are_found_by_real_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    monkeypatch.setenv("CUTOVER_LAB_DIR", str(tmp_path / "link" / "lab"))
    assert lab.Lab.from_environment().state == tmp_path / "real" / "lab"
    monkeypatch.undo()
    text = "36 35 0:1 / /mnt/Stra\\134\\040ße\u2028x rw - tmpfs tmpfs rw,name=a\\040b\n".encode()
    monkeypatch.setattr(
        mounts, "Path", lambda *words: _File(text) if words == ("/proc/self/mountinfo",) else Path(*words)
    )
    assert mounts.below(Path("/mnt")) == (Path("/mnt/Stra\\ ße\u2028x"),)
    assert mounts.mount_options("tmpfs") == ((Path("/mnt/Stra\\ ße\u2028x"), "rw,name=a b"),)


class _File(SimpleNamespace):
    """A file with this content."""

    def __init__(self, content: bytes) -> None:
        super().__init__(read_bytes=lambda: content)
