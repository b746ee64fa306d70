"""What no lab made is never removed, whatever CUTOVER_LAB_DIR says; and labs side by side do not touch each other."""

import json
from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path

import pytest

import lab
from cutover.core.errors import Refused, UsageError
from lab import base, network, ownership, system
from lab.system import hold

Place = Callable[[str], lab.Lab]
Mounted = Callable[..., None]
INSTANCES = "fs/inotify/max_user_instances"


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands that were run to undo mounts."""
    ran: list[list[str]] = []
    monkeypatch.setattr(system, "run", ran.append)
    return ran


def a_base(cache: Path, name: str = "0123456789abcdef") -> Path:
    for sign in base._SIGNS:
        (cache / name / sign).parent.mkdir(parents=True)
        (cache / name / sign).write_text("ours\n")
    return cache / name


# The state directory


@pytest.mark.parametrize("purge", [False, True])
def test_a_directory_with_other_files_is_refused_and_left_as_it_is(
    place: Place, ran: list[list[str]], mounted: Mounted, purge: bool
) -> None:
    here = place("mine")
    (here.state / "disk").mkdir(parents=True)
    (here.state / "letters.txt").write_text("mine")
    mounted(here.state / "disk")
    with pytest.raises(UsageError, match="no lab made") as refused:
        lab.down(lab=here, purge=purge)
    assert "CUTOVER_LAB_DIR" in refused.value.problems[0].next
    assert (here.state / "letters.txt").read_text() == "mine"
    assert ran == []


def test_up_refuses_it_before_anything_is_made_together_with_all_else(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = place("mine")
    here.state.mkdir()
    (here.state / "letters.txt").write_text("mine")
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr("shutil.which", lambda *_words, **_options: None)
    with pytest.raises(UsageError, match=r"(?s)not installed.*no lab made"):
        lab.up(1, lab=here)
    assert [path.name for path in here.state.iterdir()] == ["letters.txt"]


def test_a_file_in_the_place_of_the_directory_is_refused(place: Place) -> None:
    place("file").state.write_text("")
    with pytest.raises(UsageError, match="not a directory"):
        lab.down(lab=place("file"))
    with pytest.raises(UsageError, match="cannot be made or opened: Not a directory"):
        lab.down(lab=place("file/below"))


@pytest.mark.parametrize("there", [False, True])
def test_an_absent_or_empty_directory_becomes_the_lab_s_and_goes_with_it(place: Place, there: bool) -> None:
    here = place("new")
    if there:
        here.state.mkdir()
    with hold(here.state, wait=False):
        ownership.mark(here.state)
    (here.state / "hosts").mkdir()
    assert lab.down(lab=here) == ()
    assert not here.state.exists()


def test_down_without_a_lab_leaves_nothing_and_removes_nothing(place: Place) -> None:
    absent, empty = place("absent"), place("empty")
    empty.state.mkdir()
    assert lab.down(lab=absent) == lab.down(lab=empty) == ()
    assert not absent.state.exists()
    assert empty.state.is_dir()


def test_what_somebody_mounted_inside_a_lab_is_neither_unmounted_nor_removed_through(
    place: Place, ran: list[list[str]], mounted: Mounted
) -> None:
    here = place("lab")
    (here.state / "mnt").mkdir(parents=True)
    (here.state / "note").touch()
    (here.state / ownership._MARK).touch()
    mounted(here.state / "mnt")
    with pytest.raises(Refused, match="no lab mounted") as refused:
        lab.down(lab=here)
    assert f"umount {here.state / 'mnt'}" in refused.value.problems[0].next
    assert ran == []
    assert (here.state / "note").exists()
    assert ownership.is_marked(here.state)  # so that lab.down can be repeated


def test_the_environment_moves_state_and_cache_and_mounts_are_found_by_their_real_names(
    tmp_path: Path, mounted: Mounted, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    monkeypatch.setenv("CUTOVER_LAB_DIR", str(tmp_path / "link" / "lab"))
    monkeypatch.setenv("CUTOVER_LAB_CACHE", "/big/cache")
    here = lab.Lab.from_environment()
    assert (here.state, here.cache) == (tmp_path / "real" / "lab", Path("/big/cache"))
    mounted("/mnt/Stra\\134\\040ße\u2028x", options="rw,name=a\\040b")
    assert system.mounts()[-1] == (Path("/mnt/Stra\\ ße\u2028x"), "tmpfs", "rw,name=a b")


# The cache


def test_a_purge_removes_the_bases_and_nothing_else_of_the_cache(place: Place) -> None:
    here = place("lab")
    a_base(here.cache)
    (here.cache / f"{base._BUILDING}7").mkdir()
    (here.cache / "fedcba9876543210").mkdir()  # named like a base, but without our files
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


def test_a_base_on_which_another_lab_runs_is_not_removed(place: Place, mounted: Mounted) -> None:
    here = place("lab")
    kept = a_base(here.cache)
    mounted("/elsewhere/hosts/lab1/root", "overlay", f"rw,lowerdir={kept},upperdir=/u,workdir=/w")
    with pytest.raises(UsageError, match="a host of another lab uses it"):
        lab.down(lab=here, purge=True)
    assert kept.is_dir()


# Labs side by side


def refused(here: lab.Lab) -> str:
    """The one message with which a lab can be neither shown, nor removed, nor named, nor made."""
    messages = set()
    attempts: list[Callable[[], object]] = [
        lambda: lab.status(here), lambda: lab.down(lab=here), lambda: lab.cut("lab1", lab=here), lambda: ownership.record(here),
    ]  # fmt: skip
    for attempt in attempts:
        with pytest.raises(UsageError) as caught:
            attempt()
        messages.add(str(caught.value))
    (message,) = messages
    return message


def test_another_directory_does_not_get_the_names_of_a_lab_that_is_up(place: Place) -> None:
    first = place("first")
    ownership.record(first)
    message = refused(place("second"))
    assert f"names cutlab-* and network 198.18.77.0/24 in use by the lab in {first.state}" in message
    assert f"`CUTOVER_LAB_DIR={first.state} ./invokew lab.down` removes it" in message
    assert not place("second").state.exists()
    assert ownership.is_recorded(first)


def test_the_default_lab_is_found_again_without_the_variable(place: Place) -> None:
    ownership.record(lab.Lab())
    way_out = "unset CUTOVER_LAB_DIR to work with that lab; `CUTOVER_LAB_DIR= ./invokew lab.down`"
    assert way_out in refused(place("other"))


def test_network_and_directory_of_a_lab_that_is_up_are_refused_too(place: Place) -> None:
    first = place("first")
    ownership.record(replace(first, network=IPv4Network("198.18.64.0/20")))
    message = refused(replace(place("second"), prefix="cutlabq"))
    assert "network 198.18.77.0/24 in use" in message
    assert "names" not in message
    apart = replace(first, prefix="cutlabq", network=IPv4Network("198.18.1.0/24"))
    assert f"directory {first.state} in use" in refused(apart)


def test_labs_that_share_nothing_run_side_by_side_and_the_last_one_restores_the_limits(
    place: Place, sysctl: Path
) -> None:
    first = place("first")
    second = replace(place("second"), prefix="cutlabq", network=IPv4Network("198.18.1.0/24"))
    for each in (first, second, first):
        ownership.record(each)
    assert (sysctl / INSTANCES).read_text() == "8192\n"
    ownership.forget(first)
    assert (sysctl / INSTANCES).read_text() == "8192\n"
    assert not ownership.is_recorded(first)
    assert ownership.problems(place("another")) == ()
    ownership.forget(second)
    assert (sysctl / INSTANCES).read_text() == "128\n"
    assert not ownership._HOME.exists()


def test_a_limit_that_somebody_has_set_since_stays(place: Place, sysctl: Path) -> None:
    ownership.record(place("first"))
    (sysctl / INSTANCES).write_text("50000\n")
    ownership.forget(place("first"))
    assert (sysctl / INSTANCES).read_text() == "50000\n"
    assert (sysctl / "kernel/keys/maxkeys").read_text() == "200\n"


def test_a_limit_that_is_high_enough_is_not_touched(place: Place, sysctl: Path) -> None:
    (sysctl / INSTANCES).write_text("50000\n")
    ownership.record(place("first"))
    assert list(json.loads((ownership._HOME / "record.json").read_text())["limits"]) == ["kernel/keys/maxkeys"]


def test_an_object_with_a_host_s_name_that_no_lab_made_is_not_removed(place: Place) -> None:
    network._NAMESPACES.mkdir()
    network._LINKS.mkdir()
    (network._NAMESPACES / "cutlab-lab7").touch()
    (network._LINKS / "cutlab-br").mkdir()
    with pytest.raises(UsageError) as caught:
        lab.down(lab=place("new"))
    assert [problem.path for problem in caught.value.problems] == ["cutlab-lab7", "cutlab-br"]
    assert (network._NAMESPACES / "cutlab-lab7").exists()


def test_what_a_lab_on_record_left_over_is_its_own(place: Place) -> None:
    ownership.record(place("first"))
    network._NAMESPACES.mkdir()
    (network._NAMESPACES / "cutlab-lab7").touch()
    assert [each.host.name for each in lab.status(place("first"))] == ["lab7"]
