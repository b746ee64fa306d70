"""The agent as a program: kept running for many questions, answering shell text, ended by whatever ends the one who asks."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from cutover.agent.clock import SILENCE_S
from cutover.plan.steps import command
from cutover.remote.agent import BOOT, AgentFailed, HostAgent, packed
from cutover.remote.testinfra_backend import host_over
from cutover.remote.transport import DeadlinePassed
from tests.waiting import PATIENCE_S


def test_shell_text_is_answered_with_what_it_said_and_how_it_ended(
    agent: HostAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOT_INHERITED", "yes")
    said = agent.shell("echo ü; echo no >&2; echo $NOT_INHERITED; exit 3", deadline=10)
    assert (said.exit_code, said.signal, said.stdout, said.stderr) == (3, None, "ü\n\n".encode(), b"no\n")
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


def test_a_question_that_is_not_answered_yet_holds_up_no_other(agent: HostAgent) -> None:
    slow = command("m", "", ["sleep", "1"], {}, timeout_s=5)
    waiting = threading.Thread(target=agent.measure, args=([slow],), kwargs={"deadline_s": 10})
    waiting.start()
    try:
        for _ in range(3):
            assert agent.status()["lease"]["held"] is False
        assert waiting.is_alive()
    finally:
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
