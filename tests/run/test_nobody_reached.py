"""The commands that only look, with hosts that cannot be reached: nothing is refused, nothing is silent, and a CI sees no green."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from cutover.cli import hosts, judge, monitor
from cutover.core.errors import Problem
from cutover.remote import fleet as fleets
from cutover.remote.fleet import Fleet, Pool
from cutover.run.options import RunOptions
from tests.checkout import checkout, environment

Command = Callable[[RunOptions], int]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout whose environment `quiet` has two hosts that do not answer."""
    environment(tmp_path / "inventory" / "quiet", {"a": "198.18.0.1", "b": "198.18.0.2"})

    def nobody(_targets: object, **_: bool) -> tuple[Fleet, list[Problem]]:
        return Fleet({}, Pool(1)), [Problem(f"no route to {name}", f"see the cable of {name}", name) for name in "ab"]

    monkeypatch.setattr(fleets, "connect", nobody)
    monkeypatch.setattr("cutover.monitor.monitor.connect", nobody)
    return checkout(tmp_path)


def asked(root: Path, command: Command, capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, Any]]:
    """How a command ends, and its document."""
    code = command(RunOptions(root, "x", "quiet", json=True))
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert document["exit_code"] == code
    return code, document


@pytest.mark.parametrize(
    "command",
    [
        judge.status,
        lambda where: judge.verify(where, "", ""),
        judge.validate,
        judge.shadow,
        lambda where: monitor.monitor(where, once=True),
    ],
    ids=["status", "verify", "validate", "shadow", "monitor once"],
)
def test_a_silent_fleet_could_not_be_judged_and_each_host_is_named(
    root: Path, command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    code, document = asked(root, command, capsys)
    assert code == 10
    assert list(document["hosts"]) == ["a", "b"]
    assert [(one["host"], one["found"], one["next"]) for one in document["errors"]] == [
        ("a", "no route to a", "see the cable of a"),
        ("b", "no route to b", "see the cable of b"),
    ]


def test_a_command_that_asks_who_can_be_reached_is_told_no(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert asked(root, hosts.ping, capsys)[0] == 3


def test_the_junit_file_has_only_errors_of_a_silent_fleet(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    junit = root / "out" / "checks.xml"
    assert asked(root, lambda where: judge.verify(where, "activation", str(junit)), capsys)[0] == 10
    suite = next(ET.parse(junit).getroot().iter("testsuite"))  # noqa: S314 - our own file
    assert int(suite.get("tests", "0")) == int(suite.get("errors", "0")) > 2
    assert {case.get("name", "").partition("[")[2] for case in suite.iter("testcase")} == {"a]", "b]"}


def test_where_no_phase_is_known_a_junit_file_of_before_is_emptied(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    junit = root / "checks.xml"
    junit.write_text("<testsuites/>")
    assert asked(root, lambda where: judge.verify(where, "", str(junit)), capsys)[0] == 10
    assert junit.read_bytes() == b""  # which no CI takes for green


def test_wrong_usage_is_found_before_anybody_is_asked(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fleets, "connect", lambda _targets, **_: pytest.fail("hosts were asked"))
    for phase, junit, path in (
        ("lunch", "", "--phase"),
        ("", str(root / "inventory"), "--junit"),
        ("", str(root / "inventory" / "quiet" / "hosts.yml" / "x.xml"), "--junit"),
    ):
        code, document = asked(root, lambda where, p=phase, j=junit: judge.verify(where, p, j), capsys)  # type: ignore[misc]
        assert (code, [one["path"] for one in document["errors"]]) == (2, [path])
