"""Programs run on a host: their result is measured, their end is known, their whole session ends with them."""

import os
import pwd
import time
from pathlib import Path
from typing import Any

import pytest

from cutover.agent import process
from cutover.agent.work import State, Work
from tests.agent.doing import do


def run(
    *argv: str, timeout_s: float = 10, work: Work | None = None, desired: dict[str, Any] | None = None, **args: Any
) -> State:
    args |= {"name": "s", "argv": argv, "timeout_s": timeout_s}
    return do("command", args, desired or {"exit_code": 0}, work=work)


def gone(pid: int) -> bool:
    """Whether a process has ended (or waits only to be collected by whoever adopted it)."""
    for _ in range(100):
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except FileNotFoundError:
            return True
        time.sleep(0.01)
    return False


def test_its_json_document_is_the_measurement() -> None:
    outcome = run("sh", "-c", "echo '{\"passed\": 29}'; echo words >&2", desired={"document.passed": {"at_least": 29}})
    assert (outcome["ok"], outcome["after"]["stderr"], outcome["after"]["output"]) == (True, "words\n", "")


@pytest.mark.parametrize(
    "said", ["", "all 29 tests passed", "NaN", f'{{"a": {2**64}}}', "[" * 40 + "]" * 40, "[" * 100_000]
)
def test_an_exit_status_of_0_is_not_enough_where_a_document_is_desired(said: str) -> None:
    outcome = run("printf", said, desired={"exit_code": 0, "document.passed": 29})
    assert (outcome["ok"], outcome["after"]["document"], outcome["after"]["output"]) == (False, None, said[-4000:])


@pytest.mark.parametrize(
    ("argv", "end", "code"),
    [
        (["sh", "-c", "exit 3"], "exited", 3),
        (["sh", "-c", "kill -9 $$"], "signal 9", "none"),
        (["/nowhere/bin/kpi"], "not found", "none"),
        (["yes"], f"more than {process.OUTPUT_MOST} bytes of output", "none"),
        (["sh", "-c", "yes >&2"], f"more than {process.OUTPUT_MOST} bytes of output", "none"),
    ],
)
def test_each_end_has_its_name_and_only_an_exit_has_a_code(argv: list[str], end: str, code: object) -> None:
    outcome = run(*argv)
    assert (outcome["ok"], outcome["after"]["end"], outcome["after"]["exit_code"]) == (False, end, code)


def test_a_user_that_is_not_there_is_reported_and_nothing_runs(tmp_path: Path) -> None:
    outcome = run("touch", str(tmp_path / "ran"), user="no-such-user")
    assert (outcome["ok"], (tmp_path / "ran").exists()) == (False, False)
    assert "no-such-user" in outcome["after"]["stderr"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_it_runs_as_the_user_and_with_nobody_elses_groups() -> None:
    daemon = pwd.getpwnam("daemon")
    outcome = run("sh", "-c", "echo [$(id -u), $(id -g), $(id -G | wc -w)]", user="daemon")
    assert outcome["after"]["document"] == [daemon.pw_uid, daemon.pw_gid, 1]


def test_nothing_is_inherited_from_whoever_logged_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/evil")
    seen = process.run(["env"], deadline_s=5).stdout.split()
    assert {line.split("=")[0] for line in seen} == {"PATH", "LC_ALL", "TZ", "HOME"}


def test_the_deadline_of_the_work_ends_a_whole_session_with_process_groups_of_their_own(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    script = f"set -m; sleep 60 & echo $$ $! > {pids}; wait"  # -m: each job is a group of its own
    outcome = run("bash", "-c", script, timeout_s=30, work=Work(deadline=time.monotonic() + 0.5))
    assert (outcome["ok"], outcome["after"]["end"], outcome["after"]["exit_code"]) == (False, "deadline passed", "none")
    found = [int(pid) for pid in pids.read_text().split()]
    assert (len(found), [pid for pid in found if not gone(pid)]) == (2, [])


def test_a_process_that_leaves_the_session_and_holds_the_output_does_not_hang_us(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "PIPES_S", 0.1)
    script = f"echo said; setsid sh -c 'echo $$ > {tmp_path / 'pid'}; exec sleep 30' & sleep 30"
    ended = process.run(["sh", "-c", script], deadline_s=0.5)
    holder = int((tmp_path / "pid").read_text())
    assert (ended.end, ended.stdout, gone(holder)) == ("deadline passed", "said\n", False)  # nobody waited for it
    os.kill(holder, 9)


def test_a_program_that_cannot_be_executed_is_an_error_of_its_step(tmp_path: Path) -> None:
    (tmp_path / "kpi").write_text("#!/bin/sh\n")
    outcome = run(str(tmp_path / "kpi"))
    assert (outcome["ok"], "Permission denied" in outcome["error"]) == (False, True)
