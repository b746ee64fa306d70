"""The SSH configuration as OpenSSH reads it: what it says over real sshd, also in files that it includes."""

import getpass
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cutover.core.errors import Unreachable
from cutover.remote.connect import SshAccess
from cutover.remote.ssh import SshTransport
from tests.contract import sshd
from tests.contract.test_over_real_ssh import problem_of
from tests.transports import reaches


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Path]:
    """A real ssh-agent, empty, whose socket no variable names."""
    socket = tmp_path / "agent.sock"
    with subprocess.Popen(["ssh-agent", "-D", "-a", str(socket)], stdout=subprocess.DEVNULL) as process:
        while not socket.exists():
            assert process.poll() is None
        yield socket
        process.terminate()


def included(home: Path, text: str) -> SshAccess:
    """Access whose ~/.ssh/config says nothing itself, but includes a file that does."""
    (home / ".ssh" / "config").write_text(f"Include {home}/.ssh/work.conf\n", encoding="utf-8")
    (home / ".ssh" / "work.conf").write_text(text, encoding="utf-8")
    return SshAccess()


def block(loopback: sshd.Sshd, name: str, *lines: str) -> str:
    there = ("HostName 127.0.0.1", f"Port {loopback.port}", f"User {getpass.getuser()}")
    return f"Host {name}\n" + "".join(f"  {line}\n" for line in (*there, *lines))


def gets_in(loopback: sshd.Sshd, access: SshAccess, **changes: object) -> bool:
    values: dict[str, Any] = {"address": "target", "port": None, "user": None, "identity_file": None, **changes}
    transport = SshTransport(loopback.host(**values), access)
    try:
        return reaches(transport)
    finally:
        transport.close()


def test_an_alias_is_the_name_under_which_the_key_is_looked_up(loopback: sshd.Sshd, home: Path, tmp_path: Path) -> None:
    access = included(home, block(loopback, "target", f"IdentityFile {loopback.client_key}", "HostKeyAlias the-alias"))
    with pytest.raises(Unreachable, match="no host key is pinned for the-alias"):
        gets_in(loopback, access)  # known under its address only
    known = tmp_path / "known_hosts"
    known.write_text(
        loopback.known_hosts.read_text(encoding="utf-8").replace(f"[127.0.0.1]:{loopback.port}", "the-alias")
    )
    assert gets_in(loopback, access, known_hosts=known)


def test_a_proxy_command_is_a_line_for_the_shell(loopback: sshd.Sshd, home: Path, tmp_path: Path) -> None:
    noted = tmp_path / "noted"
    jump = f"ssh -F none -i {loopback.client_key} -o UserKnownHostsFile={loopback.known_hosts} -p %p"
    command = f"ProxyCommand {jump} -W %h:%p 127.0.0.1 2>{noted}"
    access = included(home, block(loopback, "target", f"IdentityFile {loopback.client_key}", command))
    assert gets_in(loopback, access)
    assert noted.is_file()


def test_the_agent_that_the_configuration_names_is_asked(loopback: sshd.Sshd, home: Path, agent: Path) -> None:
    access = included(home, block(loopback, "target", f"IdentityAgent {agent}"))
    with pytest.raises(Unreachable, match="no key to offer"):
        gets_in(loopback, access)
    add(agent, loopback.client_key)
    assert gets_in(loopback, access)


def test_of_an_agent_only_the_named_key_is_offered_where_that_is_wished(
    loopback: sshd.Sshd, home: Path, agent: Path, tmp_path: Path
) -> None:
    add(agent, loopback.client_key)
    stranger = sshd.new_key(tmp_path / "stranger")
    wished = ("IdentitiesOnly yes", f"IdentityAgent {agent}")
    with pytest.raises(Unreachable, match="1 key offered"):
        gets_in(loopback, included(home, block(loopback, "target", *wished, f"IdentityFile {stranger}")))
    public = loopback.client_key.with_suffix(".pub")
    assert gets_in(loopback, included(home, block(loopback, "target", *wished, f"IdentityFile {public}")))


def test_a_locked_key_is_reported_unless_an_agent_has_it(
    loopback: sshd.Sshd, home: Path, agent: Path, tmp_path: Path
) -> None:
    locked = tmp_path / "locked"
    locked.write_bytes(loopback.client_key.read_bytes())
    locked.chmod(0o600)
    locked.with_suffix(".pub").write_bytes(loopback.client_key.with_suffix(".pub").read_bytes())
    subprocess.run(["ssh-keygen", "-q", "-p", "-N", "a passphrase", "-P", "", "-f", str(locked)], check=True)
    access = included(home, block(loopback, "target", f"IdentityAgent {agent}", "IdentitiesOnly yes"))
    host = loopback.host(address="target", port=None, user=None, identity_file=locked)
    assert f"is locked by a passphrase: `ssh-add {locked}`" in problem_of(host, access)[0]
    add(agent, loopback.client_key)
    assert reaches(SshTransport(host, access))


def test_a_file_that_is_no_key_is_reported_when_nothing_else_lets_in(
    loopback: sshd.Sshd, home: Path, tmp_path: Path
) -> None:
    junk = tmp_path / "junk"
    junk.write_text("nonsense", encoding="utf-8")
    both = block(loopback, "target", f"IdentityFile {junk}", f"IdentityFile {loopback.client_key}")
    assert gets_in(loopback, included(home, both))
    with pytest.raises(Unreachable, match=rf"no key to offer; {junk} cannot be read as a key"):
        gets_in(loopback, included(home, block(loopback, "target", f"IdentityFile {junk}")))


def test_a_configuration_that_ssh_refuses_is_reported_in_its_words(loopback: sshd.Sshd, home: Path) -> None:
    with pytest.raises(Unreachable, match="Bad configuration option: nonsense") as caught:
        gets_in(loopback, included(home, "Nonsense yes\n"))
    assert str(home / ".ssh" / "config") in caught.value.problems[0].next


@pytest.mark.parametrize("option", ["BindAddress 127.0.0.9", "ProxyUseFdpass yes", "RevokedHostKeys /etc/revoked"])
def test_what_would_lead_elsewhere_and_is_not_supported_is_refused(
    loopback: sshd.Sshd, home: Path, option: str
) -> None:
    with pytest.raises(Unreachable, match="not supported") as caught:
        gets_in(loopback, included(home, block(loopback, "target", option)))
    (problem,) = caught.value.problems
    assert option.split(maxsplit=1)[0].lower() in problem.found
    assert str(home / ".ssh" / "config") in problem.next


def test_jump_hosts_in_a_circle_are_reported(loopback: sshd.Sshd, home: Path) -> None:
    text = "Host a\n  ProxyJump b\nHost b\n  ProxyJump a\nHost target\n  ProxyJump a\n"
    with pytest.raises(Unreachable, match="in a circle"):
        gets_in(loopback, included(home, text))


def test_a_jump_host_that_does_not_resolve_is_named(loopback: sshd.Sshd, access: SshAccess) -> None:
    found, then = problem_of(loopback.host(proxy_jump="bastion.invalid"), access)
    assert "bastion.invalid:22 (the jump host of loop) cannot be reached" in found
    assert "`ansible_ssh_common_args` of loop" in then


def add(agent: Path, key: Path) -> None:
    environment = {**os.environ, "SSH_AUTH_SOCK": str(agent)}
    subprocess.run(["ssh-add", "-q", str(key)], env=environment, check=True, capture_output=True)
