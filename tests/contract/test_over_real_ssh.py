"""What only a real sshd can show of the way to a host: wrong keys, jump hosts, and the problem each becomes."""

import getpass
import socket
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from cutover.core.errors import Unreachable
from cutover.core.host import Host
from cutover.remote.agent import HostAgent
from cutover.remote.connect import SshAccess
from cutover.remote.fleet import log_in
from cutover.remote.ssh import SshTransport
from tests.contract import sshd
from tests.transports import reaches
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
