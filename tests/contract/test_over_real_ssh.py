"""What only a real sshd can show: wrong keys, jump hosts, the problem each becomes; losses, hangs, many users at once."""

import base64
import getpass
import hashlib
import os
import signal
import socket
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest
from paramiko import PKey
from paramiko.pkey import PublicBlob

from cutover.core.errors import Unreachable
from cutover.core.host import Host
from cutover.remote import known_hosts
from cutover.remote.agent import HostAgent, NoPython
from cutover.remote.connect import SshAccess
from cutover.remote.fleet import Pool, log_in
from cutover.remote.ssh import SshTransport
from cutover.remote.testinfra_backend import host_over
from cutover.remote.transport import DeadlinePassed, Lost, RemoteError
from tests.contract import sshd
from tests.transports import answer, reaches
from tests.waiting import wait_until


def problem_of(host: Host, access: SshAccess, deadline: float = 20) -> tuple[str, str]:
    transport = SshTransport(host, access)
    with pytest.raises(Unreachable) as caught:
        reaches(transport, deadline=deadline)
    (problem,) = caught.value.problems
    assert problem.host == host.name
    return problem.found, problem.next


# --- who may come in


def test_the_pinned_key_counts_more_than_what_the_user_has_accepted(
    loopback: sshd.Sshd, access: SshAccess, home: Path, tmp_path: Path
) -> None:
    other = sshd.new_key(tmp_path / "other").with_suffix(".pub").read_text(encoding="utf-8").split()
    known = tmp_path / "known"
    known.write_text(f"[127.0.0.1]:{loopback.port} {other[0]} {other[1]}\n", encoding="utf-8")
    (home / ".ssh" / "known_hosts").write_bytes(loopback.known_hosts.read_bytes())
    found, _ = problem_of(loopback.host(known_hosts=known), access)
    assert "another host key" in found
    assert found.count("SHA256:") == 2
    assert reaches(SshTransport(loopback.host(known_hosts=tmp_path / "none"), access))


def test_a_key_that_the_user_has_revoked_is_refused_though_it_is_pinned(
    loopback: sshd.Sshd, access: SshAccess, home: Path
) -> None:
    _, kind, key = loopback.known_hosts.read_text(encoding="utf-8").split()
    (home / ".ssh" / "known_hosts").write_text(f"@revoked * {kind} {key}\n", encoding="utf-8")
    assert "is revoked" in problem_of(loopback.host(), access)[0]


@pytest.mark.parametrize("patterns", ["*", "127.0.0.*", "[127.0.0.1]:*", "!10.*,127.0.0.1"])
def test_a_host_is_known_by_the_certificate_of_an_authority(
    loopback: sshd.Sshd, access: SshAccess, tmp_path: Path, patterns: str
) -> None:
    known = tmp_path / "known_hosts"
    known.write_text(f"@cert-authority {patterns} {loopback.authority.read_text()}", encoding="utf-8")
    assert reaches(SshTransport(loopback.host(known_hosts=known), access))


def test_a_certificate_proves_a_jump_host_as_well(
    loopback: sshd.Sshd, access: SshAccess, home: Path, tmp_path: Path
) -> None:
    (home / ".ssh" / "config").write_text(jump_config(loopback), encoding="utf-8")
    known, other = tmp_path / "known_hosts", sshd.new_key(tmp_path / "other").with_suffix(".pub").read_text()
    for authority, goes in ((loopback.authority.read_text(), True), (other, False)):
        known.write_text(f"@cert-authority 127.* {authority}", encoding="utf-8")
        host = loopback.host(proxy_jump="first", known_hosts=known)
        if goes:
            assert reaches(SshTransport(host, access))
        else:
            found, _ = problem_of(host, SshAccess())
            assert "(the jump host of loop) shows does not prove who it is: it is signed by nobody" in found


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        ("@cert-authority other {ca}", "no host key is pinned"),
        ("@cert-authority !*127.0.0.1*,* {ca}", "no host key is pinned"),
        ("@cert-authority * {other}", "it is signed by nobody that known_hosts names"),
        ("@revoked * {ca}\n@cert-authority * {ca}", "or by a key that is revoked"),
        ("@revoked * {key}\n@cert-authority * {ca}", "the host key that 127.0.0.1:{port} shows is revoked"),
    ],
)
def test_a_certificate_that_proves_nothing_is_refused(
    loopback: sshd.Sshd, access: SshAccess, tmp_path: Path, lines: str, found: str
) -> None:
    words = {
        "ca": loopback.authority.read_text().strip(),
        "other": sshd.new_key(tmp_path / "other").with_suffix(".pub").read_text().strip(),
        "key": loopback.known_hosts.read_text().split(" ", 1)[1].strip(),
        "port": loopback.port,
    }
    known = tmp_path / "known_hosts"
    known.write_text(lines.format(**words) + "\n", encoding="utf-8")
    assert found.format(**words) in problem_of(loopback.host(known_hosts=known), access)[0]


# Who it is for, how ssh-keygen is asked, what is found.
CERTIFICATES = [
    (("web1", "web2"), ("-h",), ""),
    (("*.example.com", "web?"), ("-h",), ""),
    ((), ("-h",), ""),
    (("web2",), ("-h",), "it is for web2"),
    (("web1",), (), "not a host certificate"),
    (("web1",), ("-h", "-V", "20200101:20200201"), "not valid now"),
    (("web1",), ("-h", "-V", "+1d:+2d"), "not valid now"),
    (("web1",), ("-h", "-O", "critical:x=y"), "critical options"),
    (("web1",), ("-h", "altered"), "its signature is wrong"),
    (("web1",), ("-h", "-t", "ssh-rsa"), "made with SHA-1"),
]


@pytest.mark.parametrize(
    ("kind", "names", "options", "found"),
    [
        (kind, *case)
        for kind in ("ed25519", "ecdsa", "rsa")
        for case in CERTIFICATES
        if kind == "rsa" or "ssh-rsa" not in case[1]
    ],
)
def test_each_part_of_a_certificate_counts(
    tmp_path: Path, kind: str, names: tuple[str, ...], options: tuple[str, ...], found: str
) -> None:
    """As PROTOCOL.certkeys of OpenSSH has them; written by ssh-keygen itself."""
    key, authority = sshd.new_key(tmp_path / "host"), sshd.new_key(tmp_path / "authority", kind)
    altered, options = "altered" in options, tuple(one for one in options if one != "altered")
    type_, text, *_ = sshd.certify(key, authority, *names, options=options).split()
    blob = base64.b64decode(text)
    if altered:
        blob = blob.replace(b"web1", b"web2", 1)
    trusted = PKey.from_type_string(*_typed(authority.with_suffix(".pub")))
    why = known_hosts._why_not(PublicBlob(type_, blob), "web1", [trusted])
    assert (found in why) if found else why == ""


def _typed(public: Path) -> tuple[str, bytes]:
    """Kind and bytes of a public key."""
    kind, text, *_ = public.read_text(encoding="utf-8").split()
    return kind, base64.b64decode(text)


def test_a_wrong_login_key_is_reported(loopback: sshd.Sshd, access: SshAccess, tmp_path: Path) -> None:
    found, _ = problem_of(loopback.host(identity_file=sshd.new_key(tmp_path / "stranger")), access)
    assert f"authentication as {getpass.getuser()} failed" in found


def test_a_missing_key_file_is_reported_before_anything_is_sent(loopback: sshd.Sshd, access: SshAccess) -> None:
    found, then = problem_of(loopback.host(identity_file=Path("/nowhere/key")), access)
    assert "key file is missing" in found
    assert "ansible_ssh_private_key_file" in then


def test_a_port_where_nobody_listens_and_a_name_that_does_not_resolve_are_reported(
    loopback: sshd.Sshd, access: SshAccess
) -> None:
    assert "Connection refused" in problem_of(loopback.host(port=sshd.free_port()), access)[0]
    assert "cannot be reached" in problem_of(loopback.host(address="host.invalid"), access)[0]


def test_a_host_that_accepts_and_says_nothing_ends_by_the_deadline(loopback: sshd.Sshd, access: SshAccess) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        found, _ = problem_of(loopback.host(port=silent.getsockname()[1]), access, deadline=0.5)
    assert "no answer from" in found


def test_sudo_that_is_refused_is_reported(over_ssh: SshTransport, loopback: sshd.Sshd) -> None:
    refuses = loopback.bin / "refuses"
    refuses.touch()
    try:
        with pytest.raises(Unreachable, match="`sudo -n` is refused: sudo: a password is required"):
            log_in(HostAgent(over_ssh, state_dir="/nowhere"))
    finally:
        refuses.unlink()


# --- the way there


def jump_config(loopback: sshd.Sshd, rest: str = "") -> str:
    """Three names for the same sshd, so that one can be the jump host of the other."""
    user = getpass.getuser()
    common = f"  HostName 127.0.0.1\n  Port {loopback.port}\n  User {user}\n  IdentityFile {loopback.client_key}\n"
    return "".join(f"Host {name}\n{common}" for name in ("first", "second", "inner")) + rest


def test_jump_hosts_of_the_ssh_configuration_are_passed(loopback: sshd.Sshd, access: SshAccess, home: Path) -> None:
    config = jump_config(loopback, "Host inner\n  ProxyJump first,second\n")
    (home / ".ssh" / "config").write_text(config, encoding="utf-8")
    others, logins = set(loopback.sessions()), loopback.logins()
    host = loopback.host(address="inner", port=None, user=None, identity_file=None)
    transport = SshTransport(host, access)
    assert reaches(transport)
    assert loopback.logins() == logins + 3  # one for each hop
    ours = set(loopback.sessions()) - others
    transport.close()
    wait_until(lambda: not ours.intersection(loopback.sessions()))


def test_a_jump_host_that_reaches_nothing_is_reported(loopback: sshd.Sshd, access: SshAccess, home: Path) -> None:
    (home / ".ssh" / "config").write_text(jump_config(loopback), encoding="utf-8")
    host = loopback.host(proxy_jump="first", port=sshd.free_port())
    assert "the jump host could not reach" in problem_of(host, access)[0]


def test_a_connection_dropped_in_the_handshake_is_tried_again(
    loopback: sshd.Sshd, access: SshAccess, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as door:
        port = door.getsockname()[1]
        known = tmp_path / "known"
        known.write_text(loopback.known_hosts.read_text(encoding="utf-8").replace(str(loopback.port), str(port)))
        thread = threading.Thread(target=slam_twice_then_lead_on, args=(door, loopback.port), daemon=True)
        thread.start()
        transport = SshTransport(loopback.host(port=port, known_hosts=known), access)
        assert reaches(transport)
        transport.close()
        thread.join(20)


def slam_twice_then_lead_on(door: socket.socket, port: int) -> None:
    """As sshd does past its MaxStartups: it closes before it has said a word."""
    for _ in range(2):
        door.accept()[0].close()
    visitor, _ = door.accept()
    with visitor, socket.create_connection(("127.0.0.1", port)) as inside, suppress(OSError):
        pipe = threading.Thread(target=carry, args=(inside, visitor), daemon=True)
        pipe.start()
        carry(visitor, inside)
        pipe.join(20)


def carry(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


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
        answer(over_ssh, "sleep 1", deadline=0.3)
    assert reaches(over_ssh)
    assert before[0] in loopback.sessions()


def test_commands_given_up_do_not_use_up_the_sessions_of_sshd(over_ssh: SshTransport) -> None:
    assert reaches(over_ssh)
    # sshd counts each until its command ends; one more than it allows takes a new connection within the deadline.
    for _ in range(11):
        with pytest.raises(DeadlinePassed):
            answer(over_ssh, "sleep 60", deadline=1)
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
    assert len(host.run("head -c 5000000 /dev/zero | tr '\\0' x").stdout) == 5_000_000  # a long listing comes whole
    assert host.backend.get_pytest_id() == "cutover://loop"
    agent.close()
    assert not (tmp_path / "state").exists()  # asking leaves nothing there
