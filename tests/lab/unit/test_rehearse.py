"""`rehearse --json`: one document on stdout, whatever its parts print; and it ends with the exit code of a part that fails."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from cutover.core.errors import ExitCode
from lab import Lab
from lab import rehearse as rehearsing
from tasks import rehearse

TAPES = {"delivered": 7, "done": 7, "rejected": 0, "lost": 0, "twice": 0}


class Parts:
    """A command that prints on stdout, in the two ways in which the real ones do."""

    back = there = ExitCode.DONE

    def rollback(self, _options: object) -> ExitCode:
        sys.stdout.write("a line of the rollback\n")
        return self.back

    def cutover(self, _options: object) -> ExitCode:
        Console(file=sys.stdout).print("a table of the cutover")
        return self.there


PARTS = Parts()


@pytest.fixture(autouse=True)
def gone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """The parts of a rehearsal, without hosts; gives the labs that were removed."""
    gone: list[str] = []
    run = SimpleNamespace(id="r1", report=tmp_path / "report.html")
    fakes: dict[str, Any] = {
        "rollback": PARTS.rollback,
        "cutover": PARTS.cutover,
        "RunDirs": lambda _path: SimpleNamespace(last=lambda _hosts: run),
        "make_hosts": lambda _root, count, _progress: tuple(f"lab{number}" for number in range(1, count + 1)),
        "_outages": lambda _root, _run: {"lab1": 1.0, "lab2": 0.25},
        "_count": lambda _host: TAPES,
        "lab": SimpleNamespace(down=lambda **_options: gone.append("all"), exec_in=lambda *_arguments: None, Lab=Lab),
    }
    for name, fake in fakes.items():
        monkeypatch.setattr(rehearsing, name, fake)
    return gone


def test_with_json_stdout_is_one_document(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert rehearsing.rehearse(tmp_path, 2, json=True, verbose=False) is ExitCode.DONE
    seen = capsys.readouterr()
    document = json.loads(seen.out)
    assert (document["command"], document["exit_code"], document["run_id"]) == ("rehearse", 0, "r1")
    assert document["hosts"]["lab2"]["tapes"] == TAPES
    assert document["hosts"]["lab2"]["outage_s"] == {"cutover": 0.25, "rollback": 0.25, "cutover again": 0.25}
    assert [part["part"] for part in document["parts"]] == ["cutover", "rollback", "cutover again"]
    assert all(part["run_id"] == "r1" and part["seconds"] >= 0 for part in document["parts"])
    assert document["report"] == str(tmp_path / "report.html")
    assert seen.err.count("a table of the cutover") == 2
    assert seen.err.count("a line of the rollback") == 1
    assert "rehearsal: " in seen.err


def test_without_json_people_read_it_all_on_stdout(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert rehearsing.rehearse(tmp_path, 2, json=False, verbose=False) is ExitCode.DONE
    out = capsys.readouterr().out
    assert out.count("a table of the cutover") == 2
    assert "7 tapes delivered" in out


@pytest.mark.parametrize(("part", "code", "measured"), [("cutover", 4, []), ("rollback", 5, ["cutover"])])
def test_a_part_that_fails_ends_the_rehearsal_with_its_code_and_one_document_of_what_was_measured_before(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    part: str,
    code: int,
    measured: list[str],
) -> None:
    monkeypatch.setattr(PARTS, {"cutover": "there", "rollback": "back"}[part], ExitCode(code))
    assert rehearsing.rehearse(tmp_path, 2, json=True, verbose=False) is ExitCode(code)
    document = json.loads(capsys.readouterr().out)
    assert document["exit_code"] == code
    assert [error["path"] for error in document["errors"]] == [f"rehearsal: {part}"]
    assert [part["part"] for part in document["parts"]] == measured
    assert list(document["hosts"].get("lab1", {}).get("outage_s", {})) == measured


def test_a_count_that_makes_no_lab_takes_none_away(tmp_path: Path, gone: list[str]) -> None:
    assert rehearsing.rehearse(tmp_path, 0, json=False, verbose=False) is ExitCode.USAGE
    assert gone == []
    assert rehearsing.rehearse(tmp_path, 2, json=False, verbose=False) is ExitCode.DONE
    assert gone == ["all"]
    assert "is taken down first" in str(rehearse.__doc__)
