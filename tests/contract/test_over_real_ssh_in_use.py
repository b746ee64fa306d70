"""What only a real sshd can show of an open connection: losses, hangs, many users at once, and what is built on it."""

import hashlib
import os
import platform
import signal
import sys
import threading
from pathlib import Path

import pytest

from cutover.remote.agent import HostAgent, NoPython
from cutover.remote.connect import SshAccess
from cutover.remote.fleet import Pool, log_in
from cutover.remote.ssh import SshTransport
from cutover.remote.testinfra_backend import host_over
from cutover.remote.transport import DeadlinePassed, Lost, RemoteError
from tests.contract import sshd
from tests.transports import answer, reaches
from tests.waiting import wait_until


def in_flight(transport: SshTransport, script: str, deadline: float, outcome: list[object]) -> threading.Thread:
    def ask() -> None:
        try:
            outcome.append(answer(transport, script, deadline=deadline))
        except RemoteError as error:
            outcome.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    return thread


# --- what happens in flight


def test_a_killed_session_is_lost_and_the_next_command_connects_again(
    loopback: sshd.Sshd, over_ssh: SshTransport, tmp_path: Path
) -> None:
    begun, counted = tmp_path / "begun", tmp_path / "counted"
    outcome: list[object] = []
    thread = in_flight(over_ssh, f"echo once >> {counted}; touch {begun}; sleep 30", 60, outcome)
    wait_until(begun.exists)
    loopback.signal_sessions(signal.SIGKILL)
    thread.join(20)
    assert isinstance(outcome[0], Lost)
    assert reaches(over_ssh)
    assert counted.read_text(encoding="utf-8") == "once\n"  # what was in flight is never sent again


def test_a_hang_ends_by_the_deadline_and_the_next_command_connects_again(
    loopback: sshd.Sshd, over_ssh: SshTransport
) -> None:
    assert reaches(over_ssh)
    with loopback.frozen():
        with pytest.raises(DeadlinePassed):
            reaches(over_ssh, deadline=0.5)
        assert reaches(over_ssh)


def test_a_hang_with_input_on_its_way_ends_by_the_deadline(
    loopback: sshd.Sshd, over_ssh: SshTransport, tmp_path: Path
) -> None:
    begun = tmp_path / "begun"
    source = tmp_path / "source"
    source.write_bytes(bytes(40_000_000))
    assert reaches(over_ssh)
    with loopback.frozen(), pytest.raises(DeadlinePassed):
        over_ssh.upload(source, str(begun), sha256="0" * 64, deadline=0.5)
    assert not begun.exists()


def test_a_slow_command_ends_by_the_deadline_and_leaves_the_connection_to_others(
    loopback: sshd.Sshd, over_ssh: SshTransport
) -> None:
    assert reaches(over_ssh)
    before = loopback.sessions()
    with pytest.raises(DeadlinePassed):
        answer(over_ssh, "sleep 2", deadline=0.3)
    assert reaches(over_ssh)
    assert before[0] in loopback.sessions()


def test_commands_given_up_do_not_use_up_the_sessions_of_sshd(over_ssh: SshTransport) -> None:
    assert reaches(over_ssh)
    for _ in range(11):
        with pytest.raises(DeadlinePassed):
            answer(over_ssh, "sleep 10", deadline=0.3)
    assert reaches(over_ssh)


def test_eight_threads_open_one_connection(over_ssh: SshTransport) -> None:
    outcomes: list[object] = []
    threads = [in_flight(over_ssh, "echo $SSH_CONNECTION", 30, outcomes) for _ in range(8)]
    for thread in threads:
        thread.join(30)
    assert len(outcomes) == 8
    assert len(set(outcomes)) == 1


def test_an_upload_that_is_cut_leaves_the_old_file(loopback: sshd.Sshd, over_ssh: SshTransport, tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(os.urandom(30_000_000))
    target.write_bytes(b"old")
    digest = hashlib.sha256(source.read_bytes()).hexdigest()

    def cut() -> None:
        wait_until(lambda: any(part.stat().st_size > 0 for part in tmp_path.glob("target.part-*")))
        loopback.signal_sessions(signal.SIGKILL)

    cutter = threading.Thread(target=cut)
    cutter.start()
    with pytest.raises(Lost):
        over_ssh.upload(source, str(target), sha256=digest, deadline=60)
    cutter.join(20)
    assert target.read_bytes() == b"old"
    wait_until(lambda: sorted(path.name for path in tmp_path.iterdir() if "part" in path.name) == [])


# --- what is built on it


def test_twenty_hosts_at_once_stay_under_the_limit_of_unauthenticated_connections(
    loopback: sshd.Sshd, access: SshAccess
) -> None:
    names = [f"host{number}" for number in range(20)]
    transports = {name: SshTransport(loopback.host(name=name), access) for name in names}
    outcomes = Pool(forks=20).map(lambda one: answer(one, f"echo {one.name}", deadline=60), transports, deadline=60)
    for transport in transports.values():
        transport.close()
    assert {name: outcome.unwrap() for name, outcome in outcomes.items()} == {
        f"host{number}": b"host%d" % number for number in range(20)
    }


def test_the_first_question_is_answered(over_ssh: SshTransport) -> None:
    facts = log_in(HostAgent(over_ssh, python=sys.executable, state_dir="/nowhere"))
    assert facts["python"] == platform.python_version()
    assert (facts["machine"], facts["hostname"]) == (os.uname().machine, os.uname().nodename)


def test_a_python_that_is_missing_or_too_old_is_reported(over_ssh: SshTransport, tmp_path: Path) -> None:
    old = tmp_path / "python"
    old.write_text("#!/bin/sh\necho 'Python 3.6.8 is too old' >&2\nexit 1\n", encoding="utf-8")
    old.chmod(0o755)
    for python, found in (("/nowhere/python3", "not found"), (str(old), "Python 3.6.8 is too old")):
        with pytest.raises(NoPython, match=found):
            log_in(HostAgent(over_ssh, python=python, state_dir="/nowhere"))


def test_testinfra_asks_the_host_itself(over_ssh: SshTransport, tmp_path: Path) -> None:
    path = tmp_path / "it's a file"
    path.write_text("ünïcode\n", encoding="utf-8")
    agent = HostAgent(over_ssh, python=sys.executable, state_dir=str(tmp_path / "state"))
    host = host_over(agent)
    assert host.file(str(path)).exists
    assert host.file(str(path)).content_string == "ünïcode\n"
    assert host.run("kill -TERM $$").rc == 128 + 15
    assert not host.file(f"{path} $(id)").exists
    assert len(host.run("head -c 20000000 /dev/zero | tr '\\0' x").stdout) == 20_000_000  # a long listing comes whole
    assert host.backend.get_pytest_id() == "cutover://loop"
    agent.close()
    assert not (tmp_path / "state").exists()  # asking leaves nothing there
