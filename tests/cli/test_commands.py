"""What holds for every command: `--dry` changes nothing, wrong numbers and words end with 2, a reader that left changes no exit code."""

import json
import os

import pytest
from invoke.config import Config
from invoke.context import Context
from invoke.exceptions import Exit

from cutover.cli.commands import Command
from tasks import namespace
from tests.cli.commands import give, start

EVERY: dict[str, Command] = {name: namespace[name] for name in namespace.task_names}
CHECKED = {"prepare", "cutover", "rollback", "abort", "announce"}
LOOKING = {
    "plan", "status", "verify", "validate", "shadow", "report", "hosts.list", "hosts.ping", "lab.status", "check",
}  # fmt: skip
DRY = Context(Config(overrides={"run": {"dry": True}}))


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, object]]:
    """What any command's own function is called with: it is not run."""
    calls: list[dict[str, object]] = []
    monkeypatch.setattr(Command, "run", lambda _command, _context, given: calls.append(given))
    return calls


def test_who_has_a_check_and_who_only_looks_is_written_down_here() -> None:
    assert {name for name, task in EVERY.items() if "check" in task.options} == CHECKED
    assert {name for name, task in EVERY.items() if task.looks} == LOOKING


@pytest.mark.parametrize("name", sorted(EVERY))
def test_dry_is_check_or_a_command_that_only_looks_or_it_is_refused(
    name: str, called: list[dict[str, object]], capsys: pytest.CaptureFixture[str]
) -> None:
    if name in CHECKED:
        EVERY[name](DRY, yes=True)
        assert called == [{"yes": True, "check": True}]
    elif name in LOOKING:
        EVERY[name](DRY)
        assert called == [{}]
    else:
        with pytest.raises(Exit) as ended:
            EVERY[name](DRY)
        assert (ended.value.code, called) == (2, [])
        assert f"`{name}` has no dry run" in capsys.readouterr().err


def test_the_words_of_the_command_line_reach_it(called: list[dict[str, object]]) -> None:
    assert give("--dry", "rollback", "--hosts", "prod", "--yes") == 0
    assert (called[0]["check"], called[0]["hosts"]) == (True, "prod")
    assert give("rollback", "--hosts", "prod", "--yes", "--forks", "3") == 0
    assert (called[1]["check"], called[1]["forks"]) == (False, 3)
    assert give("status") == 0
    assert called[2]["forks"] is None


@pytest.mark.parametrize("written", ["abc", "-3", "1.5", "", "0"])
@pytest.mark.parametrize(("command", "option", "least"), [("status", "--forks", 1), ("lab.fill", "--leave-mb", 0)])
def test_a_number_that_it_cannot_have_is_wrong_usage(
    command: str, option: str, least: int, written: str, called: list[object], capsys: pytest.CaptureFixture[str]
) -> None:
    code = give(command, *(["--host", "lab1"] if "host" in EVERY[command].options else []), f"{option}={written}")
    reported = capsys.readouterr().err
    is_fine = written == str(least)
    assert (code, len(called)) == ((0, 1) if is_fine else (2, 0))
    assert is_fine or f"{option}: `{written}` is not a whole number" in reported
    assert "Traceback" not in reported


@pytest.mark.parametrize(
    "words",
    [
        ("status", "--forks", "abc", "--json"),
        ("status", "--no-such-option", "--json"),
        ("no-such-command", "--json"),
        ("--command-timeout", "abc", "status", "--json"),
    ],
)
def test_wrong_usage_has_a_document_too(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert give(*words) == 2
    said = capsys.readouterr()
    document = json.loads(said.out)
    assert (document["exit_code"], document["status"]) == (2, "wrong input")
    assert all(error["found"] and error["next"] for error in document["errors"])
    assert "Traceback" not in said.err


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--list",), 0),
        (("hosts.list", "--hosts", "prod:!prod", "--json"), 2),
    ],
)
def test_a_reader_that_has_left_changes_no_exit_code(words: tuple[str, ...], code: int) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as nobody:
        ended = start(*words, stdout=nobody)
    assert ended.returncode == code, ended.stderr
    assert "Traceback" not in ended.stderr
    assert "Broken" not in ended.stderr
