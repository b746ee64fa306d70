"""Reading what `ssh -G` answers; without `ssh`; tokens; and the jump hosts of a route."""

import getpass
import socket
from pathlib import Path

import pytest

from cutover.core.host import Host
from cutover.remote import ssh_config
from cutover.remote.ssh_config import USER, ConfigError, Hop, SshTarget, configured, expand, jump_hosts, route_to
from cutover.remote.transport import Deadline


def hop(text: str, target: SshTarget) -> Hop:
    """What a ~/.ssh/config of this text says of a target."""
    USER.expanduser().write_text(text, encoding="utf-8")
    return configured(target, Deadline(20))


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of the test's own, and no configuration of the machine."""
    (tmp_path / ".ssh").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(ssh_config, "SYSTEM_WIDE", tmp_path / "ssh_config")
    return tmp_path


def test_without_ssh_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match="no `ssh` on this machine"):
        configured(SshTarget("web"), Deadline(20))


# --- what ssh answers


def test_every_field_is_read() -> None:
    text = """Host web
  HostName %h.example.internal
  Port 2222
  User deploy
  HostKeyAlias cluster
  IdentityFile ~/.ssh/%r@%h
  IdentityFile none
  IdentitiesOnly yes
  IdentityAgent /run/%n
  UserKnownHostsFile /etc/known
  GlobalKnownHostsFile none
  ProxyJump one@first:2200,second
  AddressFamily inet6
"""
    found = hop(text, SshTarget("web"))
    assert (found.name, found.address, found.port, found.user) == ("web", "web.example.internal", 2222, "deploy")
    assert (found.alias, found.entry) == ("cluster", "cluster")
    assert found.keys == (Path("~/.ssh/deploy@web.example.internal"),)
    assert found.only_these_keys
    assert found.agent == "/run/web"
    assert found.known_hosts == (Path("/etc/known"),)
    assert (found.jump, found.proxy_command) == ("one@first:2200,second", "")
    assert found.family is socket.AF_INET6


def test_what_is_asked_for_is_stronger(tmp_path: Path) -> None:
    text = "Host *\n  Port 1\n  User other\n  IdentityFile /other\n  ProxyJump other\n"
    found = hop(text, SshTarget("web", "deploy", 2222, "mine", tmp_path / "key"))
    assert (found.port, found.user, found.jump) == (2222, "deploy", "mine")
    assert found.keys == (tmp_path / "key", Path("/other"))


def test_a_named_key_comes_without_the_default_ones(tmp_path: Path) -> None:
    assert hop("User x\n", SshTarget("web", own_key=tmp_path / "key")).keys == (tmp_path / "key",)
    assert Path("~/.ssh/id_ed25519") in hop("User x\n", SshTarget("web")).keys


def test_a_proxy_command_is_filled_in() -> None:
    found = hop("User me\nHostName there\nProxyCommand nc -x %h %p %r %n %%p ${HOME}\n", SshTarget("web", port=7))
    assert found.proxy_command == "nc -x there 7 me web %p ${HOME}"


@pytest.mark.parametrize("said", ["none", "SSH_AUTH_SOCK", "$MINE"])
def test_which_agent_is_meant(said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSH_AUTH_SOCK", "/run/usual")
    monkeypatch.setenv("MINE", "/run/mine")
    expected = {"none": "", "SSH_AUTH_SOCK": "/run/usual", "$MINE": "/run/mine"}[said]
    assert hop(f"IdentityAgent {said}\n", SshTarget("web")).agent == expected


def test_a_home_of_ones_own_has_a_configuration_of_its_own(home: Path) -> None:
    (home / "ssh_config").write_text("User everybody\nPort 2200\n", encoding="utf-8")
    web, other = (hop("Host web\n  User mine\n", SshTarget(name)) for name in ("web", "other"))
    assert (web.user, web.port, other.user) == ("mine", 2200, "everybody")
    assert web.known_hosts[0] == home / ".ssh" / "known_hosts"


def test_a_question_that_hangs_ends_by_the_deadline() -> None:
    USER.expanduser().write_text('Match exec "sleep 30; true"\n  User x\n', encoding="utf-8")
    with pytest.raises(ConfigError, match="did not end"):
        configured(SshTarget("web"), Deadline(0.3))


# --- tokens, jump hosts


def test_tokens_and_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHERE", "/keys")
    assert expand("${WHERE}/%h-%%-%u", {"h": "web"}) == f"/keys/web-%-{getpass.getuser()}"
    for unknown in ("${NOWHERE_SET}", "%C"):
        with pytest.raises(ConfigError) as caught:
            expand(unknown, {})
        assert unknown.strip("${}") in caught.value.args[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("none", []),
        ("a", [SshTarget("a")]),
        ("me@a:22,b", [SshTarget("a", "me", 22), SshTarget("b")]),
        ("me@[::1]:2200", [SshTarget("::1", "me", 2200)]),
    ],
)
def test_jump_hosts_are_taken_apart(text: str, expected: list[SshTarget]) -> None:
    assert jump_hosts(text) == expected


def test_only_the_first_jump_host_may_have_a_route_of_its_own(home: Path) -> None:
    text = "Host a\n  ProxyJump outer\nHost b\n  ProxyJump elsewhere\nHost outer\n  ProxyCommand nc %h %p\n"
    USER.expanduser().write_text(text, encoding="utf-8")
    host = Host("web", "192.0.2.1", "test", home / "known_hosts", proxy_jump="a,b")
    route = route_to(host, Deadline(20))
    assert [one.address for one in route] == ["outer", "a", "b", "192.0.2.1"]
    assert [one.is_jump for one in route] == [True, True, True, False]
    assert [one.proxy_command for one in route] == ["nc outer 22", "", "", ""]
