"""Labs beside each other: none takes another's hosts away, and none undoes what somebody else has set."""

import json
from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path

import pytest

import lab
from cutover.core.errors import ExitCode, UsageError
from lab import network, shared

Place = Callable[[str], lab.Lab]
INSTANCES = "fs/inotify/max_user_instances"


def limit(sysctl: Path) -> int:
    return int((sysctl / INSTANCES).read_text())


def refused(here: lab.Lab) -> str:
    """What the lab is told when it would be looked at, taken away or made."""
    with pytest.raises(UsageError) as looked:
        lab.status(here)
    with pytest.raises(UsageError) as taken_away:
        lab.down(lab=here)
    with pytest.raises(UsageError) as named:
        lab.cut("lab1", lab=here)
    with pytest.raises(UsageError) as made:
        shared.take(here)
    assert str(looked.value) == str(taken_away.value) == str(named.value) == str(made.value)
    assert made.value.exit_code is ExitCode.USAGE
    return str(made.value)


def test_the_names_of_a_lab_that_is_up_are_not_another_directory_s(place: Place) -> None:
    first = place("first")
    shared.take(first)
    told = refused(place("second"))
    assert f"the lab in {first.state} has the names cutlab-*" in told
    assert f"`CUTOVER_LAB_DIR={first.state} ./invokew lab.down` takes it away" in told
    assert not place("second").state.exists()
    assert shared.knows(first)


def test_the_default_lab_is_found_again_without_the_variable(place: Place) -> None:
    shared.take(lab.Lab())
    assert "unset CUTOVER_LAB_DIR to work with that lab; `CUTOVER_LAB_DIR= ./invokew lab.down`" in refused(
        place("other")
    )


def test_the_network_and_the_directory_of_a_lab_that_is_up_are_refused_as_well(place: Place) -> None:
    first = place("first")
    shared.take(replace(first, network=IPv4Network("198.18.64.0/20")))
    told = refused(replace(place("second"), prefix="cutlabq"))
    assert f"the lab in {first.state} has the network 198.18.77.0/24" in told
    assert "has the names" not in told
    apart = replace(first, prefix="cutlabq", network=IPv4Network("198.18.1.0/24"))
    assert f"has the directory {first.state}" in refused(apart)


def test_labs_that_share_nothing_stand_side_by_side_and_the_last_one_gives_back(place: Place, sysctl: Path) -> None:
    first = place("first")
    second = replace(place("second"), prefix="cutlabq", network=IPv4Network("198.18.1.0/24"))
    for each in (first, second, first):
        shared.take(each)
    assert limit(sysctl) == 8192
    shared.give_back(first)
    assert limit(sysctl) == 8192
    assert not shared.knows(first)
    assert shared.problems(place("another")) == ()
    shared.give_back(second)
    assert limit(sysctl) == 128
    assert not shared._HOME.exists()


def test_a_limit_that_somebody_has_set_since_stays(place: Place, sysctl: Path) -> None:
    shared.take(place("first"))
    (sysctl / INSTANCES).write_text("50000\n")
    shared.give_back(place("first"))
    assert limit(sysctl) == 50000
    assert (sysctl / "kernel/keys/maxkeys").read_text() == "200\n"


def test_a_limit_that_is_high_enough_is_left_alone(place: Place, sysctl: Path) -> None:
    (sysctl / INSTANCES).write_text("50000\n")
    shared.take(place("first"))
    assert list(json.loads(shared._record().read_text())["limits"]) == ["kernel/keys/maxkeys"]


def test_a_thing_with_a_host_s_name_that_no_lab_made_is_not_taken_away(place: Place) -> None:
    network._NAMESPACES.mkdir()
    network._LINKS.mkdir()
    (network._NAMESPACES / "cutlab-lab7").touch()
    (network._LINKS / "cutlab-br").mkdir()
    with pytest.raises(UsageError) as refused_it:
        lab.down(lab=place("new"))
    assert [problem.path for problem in refused_it.value.problems] == ["cutlab-lab7", "cutlab-br"]
    assert (network._NAMESPACES / "cutlab-lab7").exists()


def test_what_a_lab_on_record_left_over_is_its_own(place: Place) -> None:
    shared.take(place("first"))
    network._NAMESPACES.mkdir()
    (network._NAMESPACES / "cutlab-lab7").touch()
    assert [each.host.name for each in lab.status(place("first"))] == ["lab7"]
