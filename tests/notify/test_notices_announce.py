"""`announce`: shows text and receivers, asks, sends to a real receiver, and says what came of it on each channel."""

import io
import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from cutover.cli.announce import RECORDED, announce, announcer_if_possible
from cutover.core.errors import ExitCode
from cutover.inventory.targets import Targets
from cutover.journal.journal import read
from cutover.notify.escalation import TeamRole
from cutover.run.checklist import ask_on_terminal, polling
from cutover.run.options import RunOptions
from tests.checkout import ROOT
from tests.console.test_live import Terminal
from tests.notify.peopling import defaults
from tests.notify.receivers import web_server

TOMORROW = (datetime.now(UTC) + timedelta(days=1)).strftime("%Y-%m-%dT%H:%MZ")
TOKEN = "3ccdd113474722377935511fc85d3dd4"  # noqa: S105 - made up for these tests


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with an environment of one host and a channel for on-call."""
    for name in ("roles", "templates"):
        (tmp_path / name).symlink_to(ROOT / name)
    inventory = tmp_path / "inventory" / "prod"
    (inventory / "group_vars").mkdir(parents=True)
    (inventory / "hosts.yml").write_text("all: {hosts: {h1: {ansible_host: 192.0.2.1}}}\n")
    (inventory / "known_hosts").write_text("")
    roles = defaults()["people_roles"]
    for role in roles.values():
        role["channels"] = ["hook"]
    roles["on_call"] |= {"names": ["Ana Example"], "channels": ["hook", "dead"]}
    variables(tmp_path, people_channels={"hook": {"file": "hook"}, "dead": {"file": "dead"}}, people_roles=roles)
    (inventory / "hook").write_text(f"json://127.0.0.1:9/{TOKEN}\n")
    (inventory / "dead").write_text(f"json://127.0.0.1:9/{TOKEN}\n")
    return tmp_path


def variables(checkout: Path, **said: object) -> None:
    path = checkout / "inventory" / "prod" / "group_vars" / "prod.yml"
    path.write_text(
        yaml.safe_dump({"cutover_service": "abaco", "abaco_environment": "production", "abaco_connections": [], **said})
    )


def where(checkout: Path, **given: bool) -> RunOptions:
    inventory = str(checkout / "inventory" / "prod")
    return RunOptions(checkout, "announce", "prod", inventory, **{"yes": True, **given})  # type: ignore[arg-type]


def test_it_is_sent_and_told_channel_by_channel(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with web_server() as server:
        for name in ("hook", "dead"):
            (checkout / "inventory" / "prod" / name).write_text(f"json://{server.place}/{name}/{TOKEN}\n")
        assert announce(where(checkout), "announcement", TOMORROW, "Lunch first.") == ExitCode.DONE
    shown = capsys.readouterr().out
    assert {path for path, _ in server.posts} == {f"/hook/{TOKEN}", f"/dead/{TOKEN}"}
    assert all("Lunch first." in said["message"] for _, said in server.posts)
    assert "hook: sent in" in shown
    assert "to On-call Engineer (Ana Example): hook, dead" in shown
    assert TOKEN not in shown
    (record,) = read(checkout / ".cutover" / RECORDED)
    assert (record.data["event"], record.data["environment"]) == ("announcement", "prod")
    assert set(record.data["sent"]) == {"hook", "dead"}


def test_a_channel_that_fails_ends_with_10_and_is_named(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with web_server() as server:
        (checkout / "inventory" / "prod" / "hook").write_text(f"json://{server.place}/\n")
        assert announce(where(checkout, json=True), "announcement", TOMORROW, "") == ExitCode.JUDGED_UNKNOWN
    reported = capsys.readouterr()
    (error,) = json.loads(reported.out)["errors"]
    assert error["path"] == "people_channels.dead"
    assert "Connection error" in error["found"]
    assert TOKEN not in reported.out + reported.err
    assert "hook: sent in" in reported.err


def test_check_only_shows(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (checkout / "inventory" / "prod" / "dead").unlink()
    assert announce(where(checkout, check=True), "", TOMORROW, "") == ExitCode.DONE
    shown = capsys.readouterr().out
    assert "Subject: Planned:" in shown
    assert "channel dead cannot be used: its address cannot be read" in shown
    assert not (checkout / ".cutover" / RECORDED).exists()


def test_it_asks_before_it_sends(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with web_server() as server:
        for name in ("hook", "dead"):
            (checkout / "inventory" / "prod" / name).write_text(f"json://{server.place}/\n")
        for typed, code, posts in (("no\n", ExitCode.USAGE, 0), ("yes\n", ExitCode.DONE, 2)):
            monkeypatch.setattr(sys, "stdin", Terminal(typed))
            assert announce(where(checkout, yes=False), "announcement", TOMORROW, "") == code
            assert len(server.posts) == posts


def test_wrong_usage_sends_nothing(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for event, at, found in (
        ("anouncement", TOMORROW, "did you mean announcement?"),
        ("announcement", "", "the start time is missing"),
        ("announcement", "tomorrow", "is not a time"),
        ("announcement", "2030-11-23T22:00", "has no time zone"),
        ("announcement", "2020-01-01T00:00Z", "is in the past"),
    ):
        assert announce(where(checkout), event, at, "") == ExitCode.USAGE
        assert found in capsys.readouterr().err
    variables(checkout)  # without a channel it would reach nobody
    assert announce(where(checkout), "announcement", TOMORROW, "") == ExitCode.USAGE
    assert "set people_channels" in capsys.readouterr().err


def test_wrong_people_keep_no_rollback_from_going(checkout: Path) -> None:
    variables(checkout, people_matrix={})
    targets: Targets = where(checkout).targets()
    said: list[str] = []
    assert announcer_if_possible(targets, said.append) is None
    assert len(said) == 4
    assert all(line.startswith("no notices are sent: ") for line in said)


LINES = {name: f"Is {name} so?" for name in ("one", "two", "three")}


def test_the_terminal_asks_for_a_name_once_and_takes_no_other_words(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal("Ana\nperhaps\nyes\n\nno\nnot tested\n"))
    given = ask_on_terminal(TeamRole(title="On-call", names=("Ana Example",)), LINES)
    assert {name: (one.yes, one.by, one.source, one.note) for name, one in given.items()} == {
        "one": (True, "Ana", "terminal", ""),
        "three": (False, "Ana", "terminal", "not tested"),
    }
    asked = capsys.readouterr().err
    assert asked.count("Your name") == 1
    assert asked.count("Is one so?") == 2
    monkeypatch.setattr(sys, "stdin", Terminal("\nyes\nyes\n"))  # without a name nothing is answered
    assert ask_on_terminal(TeamRole(title="On-call"), LINES) == {}


@pytest.mark.parametrize(
    ("typed", "yes", "mode", "asks"),
    [
        ("x", True, "required", True),
        ("x", False, "shown", True),
        ("x", True, "shown", False),
        (None, False, "required", False),
    ],
)
def test_people_are_asked_where_there_is_a_terminal_and_yes_answers_nothing(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, typed: str | None, yes: bool, mode: str, asks: bool
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO() if typed is None else Terminal(typed))
    variables(checkout, people_checklist=mode)
    poll = polling(where(checkout).targets(), "", yes=yes)
    assert (poll.mode, poll.terminal, poll.given) == (mode, asks, {})
