"""The contract between the controller's HostAgent and the agent that it sends: the real thing, on this machine."""

import errno
import json
import os
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest

from cutover.agent import batch, process
from cutover.agent.__main__ import VERBS, answered
from cutover.agent.clock import SILENCE_S
from cutover.agent.state_dir import StateDir
from cutover.core.errors import Locked, Refused
from cutover.plan.steps import command, file, probe
from cutover.remote.agent import BOOT, AgentFailed, Fenced, HostAgent, HostUnwritable, packed
from cutover.remote.testinfra_backend import host_over
from cutover.remote.transport import DeadlinePassed, Result
from tests.full_disk import full
from tests.transports import Call, FakeTransport, says
from tests.waiting import PATIENCE_S


def begin(agent: HostAgent, run: str = "run-1", **more: object) -> int:
    answer = agent.begin(run=run, holder="me", nonce=run, lease_s=60, **more)  # type: ignore[arg-type]
    return int(answer["lease"]["token"])


def answering(result: Result) -> HostAgent:
    def answer(_call: Call) -> Result:
        return result

    return HostAgent(FakeTransport("web1", answer), state_dir="/state")


def test_the_packed_agent_is_the_same_each_time_and_needs_nothing_but_python(tmp_path: Path) -> None:
    assert packed() == packed.__wrapped__()
    names = zipfile.ZipFile(BytesIO(packed())).namelist()
    assert [
        name for name in names if not name.startswith(("cutover/__init__.py", "cutover/agent/", "__main__.py"))
    ] == []
    (tmp_path / "agent.pyz").write_bytes(packed())
    ended = subprocess.run(
        [sys.executable, "-I", "-S", str(tmp_path / "agent.pyz"), "serve"],
        input=json.dumps({"verb": "status", "state_dir": str(tmp_path / "none")}).encode() + b"\n",
        capture_output=True, check=False, env={},
    )  # fmt: skip
    assert (ended.returncode, ended.stderr, json.loads(ended.stdout)["ok"]) == (0, b"", True)


def test_looking_finds_states_and_leaves_nothing(agent: HostAgent, tmp_path: Path) -> None:
    steps = [
        probe("p", "file", "", {}, args={"path": str(tmp_path / "none")}), probe("q", "no-such-kind", "", {}, args={}),
        file("f", str(tmp_path / "f"), "0" * 64),
    ]  # fmt: skip
    seen = agent.look(steps)
    assert seen["p"] == {"exists": False, "type": "absent"}
    assert "no-such-kind" in seen["q"]["error"]
    assert list(tmp_path.iterdir()) == []


def test_measuring_runs_commands_and_lets_no_changes_in(agent: HostAgent, tmp_path: Path) -> None:
    (outcome,) = agent.measure(
        [command("m", "", ["echo", '{"n": 5}'], {"document.n": {"at_least": 5}}, timeout_s=PATIENCE_S)],
        deadline_s=PATIENCE_S,
    )
    assert outcome["ok"] is True
    with pytest.raises(Refused, match="not for measuring: file"):
        agent.measure([file("f", str(tmp_path / "f"), "0" * 64)], deadline_s=PATIENCE_S)
    assert list(tmp_path.iterdir()) == []


def test_a_lease_is_taken_renewed_released_and_shown(agent: HostAgent) -> None:
    token = begin(agent, plan={"run": "run-1", "hosts": {}})
    assert agent.status()["lease"]["held"] is True
    with pytest.raises(Locked) as locked:
        begin(agent, "run-2")
    assert (locked.value.problems[0].host, "run-1" in locked.value.problems[0].found) == ("here", True)
    assert agent.renew(token=token, lease_s=600)["lease"]["seconds_left"] > 500
    agent.record(token=token, run="run-1", state={"status": "prepared"})
    status = agent.status()
    assert [(run["run"], run["state"]) for run in status["runs"]] == [("run-1", {"status": "prepared"})]
    assert status["revert"] == {"armed": False}
    kept = agent.plan("run-1")
    assert kept is not None
    assert (kept["plan"], kept["approval"]) == ({"run": "run-1", "hosts": {}}, None)
    assert agent.plan("run-2") is None
    assert agent.release(token=token)["lease"]["held"] is False


@pytest.mark.parametrize("verb", ["renew", "release", "record", "disarm", "arm", "apply"])
def test_a_lower_token_is_refused_for_every_verb_that_changes(agent: HostAgent, verb: str, tmp_path: Path) -> None:
    token = begin(agent) - 1
    step = file("f", str(tmp_path / "f"), "0" * 64)
    acts: dict[str, Callable[[], object]] = {
        "renew": lambda: agent.renew(token=token, lease_s=60),
        "release": lambda: agent.release(token=token),
        "record": lambda: agent.record(token=token, run="run-1", state={}),
        "disarm": lambda: agent.disarm(token=token),
        "arm": lambda: agent.arm(token=token, run="run-1", undo=[], confirm_s=60, budget_s=60),
        "apply": lambda: agent.apply(run="run-1", batch="b-1", token=token, steps=[step], files={}, deadline_s=5),
    }

    def kept() -> tuple[int, list[str]]:
        names = sorted(path.name for path in (tmp_path / "state").rglob("*") if path.suffix != ".lock")
        return agent.status()["lease"]["token"], names

    before = kept()
    with pytest.raises(Fenced, match="no longer holds"):
        acts[verb]()
    assert kept() == before


@pytest.mark.parametrize(
    ("result", "said"),
    [
        (says("", exit_code=1, stderr=b"Traceback: it broke"), "it broke"),
        (says("Welcome to web1!\n{}\n", exit_code=0), "not what was expected: .*b'Welcome to web1!'"),
        (says("{", exit_code=0), "exit status 0"),
        (says("", exit_code=None, signal="KILL"), "KILL"),
        (says("", exit_code=127, stderr=b"python3: not found"), "python3: not found"),
    ],
)
def test_what_is_no_answer_is_the_agents_failure(result: Result, said: str) -> None:
    with pytest.raises(AgentFailed, match=said):
        answering(result).status()


def answer_of(monkeypatch: pytest.MonkeyPatch, failure: Exception) -> dict[str, object]:
    """What the agent answers to a request that fails so."""

    def fails(*_: object) -> dict[str, object]:
        raise failure

    monkeypatch.setitem(VERBS, "status", fails)
    return answered({"verb": "status", "state_dir": "/state"})


@pytest.mark.parametrize(
    ("number", "found"),
    [(errno.ENOSPC, "no space left on the disk that holds"), (errno.EROFS, "read-only file system:")],
)
def test_a_disk_that_cannot_be_written_to_is_reported_as_what_it_is(
    number: int, found: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = answer_of(monkeypatch, OSError(number, os.strerror(number), "/var/lib/cutover/runs/r"))
    with pytest.raises(HostUnwritable) as unwritable:
        answering(says(json.dumps(answer) + "\n")).status()
    problem = unwritable.value.problem
    assert (problem.host, problem.path) == ("web1", "/var/lib/cutover/runs/r")
    assert problem.found == f"agent status: {found} /var/lib/cutover/runs/r"


def test_another_error_says_where_it_came_from(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = answer_of(monkeypatch, OSError(errno.EIO, "Input/output error"))
    with pytest.raises(AgentFailed, match=r"test_agent\.py"):
        answering(says(json.dumps(answer) + "\n")).status()


def test_a_batch_that_could_not_write_its_result_is_reported_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    said = "OSError: [Errno 28] No space left on device"
    monkeypatch.setattr(process, "run", lambda *_, **__: process.ProcessResult(0, said, "", 0.1))
    monkeypatch.setitem(VERBS, "apply", lambda *_: batch._result("unit", tmp_path / "result.json"))
    answer = answered({"verb": "apply", "state_dir": "/state"})
    assert answer["reason"] == "unwritable"
    assert answer["message"] == f"no space left on the disk that holds {tmp_path / 'result.json'}"


def test_a_batch_that_cannot_be_written_down_was_not_begun(
    agent: HostAgent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = begin(agent)
    monkeypatch.setattr(batch, "write_json", full)
    request = {"run": "run-1", "batch": "b-1", "token": token, "steps": [{"probe": False}]}
    with pytest.raises(OSError, match="No space"):
        batch.start(StateDir(tmp_path / "state"), request)
    assert list((tmp_path / "state/runs/run-1/batches").iterdir()) == []


def test_a_batch_that_was_refused_in_the_middle_is_fenced() -> None:
    result = '{"ok": true, "result": {"refused": {"reason": "fenced", "message": "token 1 no longer holds"}, "outcomes": []}}\n'
    with pytest.raises(Fenced, match="token 1"):
        answering(says(result)).apply(run="r", batch="b", token=1, steps=[], files={}, deadline_s=5)


def test_requests_are_made_with_contents_on_standard_input_only() -> None:
    transport = FakeTransport("web1", lambda _: says('{"ok": true, "result": {"refused": null, "outcomes": []}}\n'))
    HostAgent(transport, state_dir="/state").apply(
        run="r", batch="b", token=1, steps=[], files={"d": "the password"}, deadline_s=5
    )
    (call,) = transport.calls
    assert not any("password" in word for word in call.argv)
    assert b"dGhlIHBhc3N3b3Jk" in call.stdin


# The agent as a program: kept running for many questions, ended by whatever ends the one who asks.


def test_shell_text_is_answered_with_what_it_said_and_how_it_ended(
    agent: HostAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOT_INHERITED", "yes")
    said = agent.shell("echo ü; echo no >&2; echo $NOT_INHERITED; exit 3", deadline=10)
    assert (said.exit_code, said.signal, said.stdout, said.stderr) == (3, None, "ü\n\n".encode(), b"no\n")
    assert agent.shell("ulimit -Hc", deadline=10).stdout == b"0\n"  # no secret of its memory ends in a core dump
    killed = agent.shell("kill -TERM $$", deadline=10)
    assert (killed.exit_code, killed.signal) == (None, "TERM")
    with pytest.raises(DeadlinePassed, match=r"within 0\.2 s"):
        agent.shell("sleep 30", deadline=0.2)
    assert agent.shell("echo still", deadline=10).stdout == b"still\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_check_may_ask_as_another_user(agent: HostAgent) -> None:
    host = host_over(agent)
    with host.sudo("nobody"):
        assert host.check_output("id -un; echo %s", "it's $HOME") == "nobody\nit's $HOME"
        with host.sudo():
            assert not host.run("id -un").succeeded  # and not silently as nobody
    assert host.check_output("id -un") == "root"


def test_one_agent_answers_many_questions_and_ends_when_nobody_asks_any_more(agent: HostAgent) -> None:
    agents = {process for _ in range(3) if (process := _agent_process(agent))}
    assert len(agents) == 1
    agent.close()
    assert not Path(f"/proc/{agents.pop()}").exists()


def test_a_question_that_is_not_answered_yet_holds_up_no_other(agent: HostAgent, tmp_path: Path) -> None:
    go_on = tmp_path / "go-on"
    slow = command("m", "", ["sh", "-c", f"until [ -e {go_on} ]; do sleep 0.01; done"], {}, timeout_s=PATIENCE_S)
    waiting = threading.Thread(target=agent.measure, args=([slow],), kwargs={"deadline_s": PATIENCE_S})
    waiting.start()
    try:
        for _ in range(3):
            assert agent.status()["lease"]["held"] is False
        assert waiting.is_alive()
    finally:
        go_on.touch()
        waiting.join()


def test_an_agent_that_was_killed_is_started_again_and_a_bug_in_one_question_ends_no_other(agent: HostAgent) -> None:
    first = _agent_process(agent)
    with pytest.raises(AgentFailed, match="KeyError"):
        agent._ask("no-such-verb", 5)
    assert _agent_process(agent) == first
    os.kill(first, signal.SIGKILL)
    while agent._pool._idle[0][0].alive:  # a process is not gone the moment it is killed
        time.sleep(0.01)
    assert _agent_process(agent) != first


def _agent_process(agent: HostAgent) -> int:
    return int(agent.shell("echo $PPID", deadline=10).stdout)


def test_who_falls_silent_while_the_agent_is_sent_leaves_nobody_waiting_for_it() -> None:
    hurried = BOOT.replace(f"signal.alarm({SILENCE_S})", "signal.setitimer(signal.ITIMER_REAL, 0.1)")
    assert hurried != BOOT
    argv = [sys.executable, "-I", "-S", "-c", hurried, str(len(packed())), "serve"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE) as waiting:
        assert waiting.stdin is not None
        waiting.stdin.write(packed()[:1000])
        waiting.stdin.flush()
        assert waiting.wait(timeout=PATIENCE_S) == -signal.SIGALRM


def test_a_name_that_is_no_text_leaves_the_answer_readable(agent: HostAgent, tmp_path: Path) -> None:
    """The user of a service may give one to a file of its own."""
    (tmp_path / "link").symlink_to(os.fsdecode(b"elsewhere\xff"))
    seen = agent.look([probe("link", "link", "", {}, args={"path": str(tmp_path / "link")})])
    assert seen["link"]["target"] == "elsewhere?"
