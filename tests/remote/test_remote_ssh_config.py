"""Reading what `ssh -G` answers; when nobody is asked; tokens; and the jump hosts of a route."""

import getpass
import socket
from pathlib import Path

import pytest

from cutover.core.host import Host
from cutover.remote import ssh_config
from cutover.remote.connect import route_to
from cutover.remote.hop import DEFAULT_KEYS, SYSTEM, Hop, SshTarget, jump_hosts
from cutover.remote.ssh_config import ConfigError, SshConfig, TokenError, expand, says_nothing
from cutover.remote.transport import Deadline

DEBIAN = """# a comment
Include {directory}/ssh_config.d/*.conf

Host *
#   ForwardAgent no
    SendEnv LANG LC_*
    HashKnownHosts yes
    GSSAPIAuthentication yes
"""


def hop(path: Path, text: str, target: SshTarget) -> Hop:
    path.write_text(text, encoding="utf-8")
    return SshConfig(path).hop(target, Deadline(20))


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "ssh_config"


# --- when nobody is asked


def test_what_debian_ships_says_nothing(tmp_path: Path, config: Path) -> None:
    config.write_text(DEBIAN.format(directory=tmp_path), encoding="utf-8")
    assert says_nothing(config)
    assert says_nothing(tmp_path / "missing")
    (tmp_path / "ssh_config.d").mkdir()
    (tmp_path / "ssh_config.d" / "site.conf").write_text("Host web*\n", encoding="utf-8")
    assert not says_nothing(config)


@pytest.mark.parametrize(
    "line",
    ["User deploy", "user=deploy", "Host web", "Match all", "Include work.conf", "Include ~/x", "Include /etc/*/x", "Include /etc/${X}",
     'Include "/etc/a b"', "AnythingElse yes"],
)  # fmt: skip
def test_any_other_word_must_be_asked_about(config: Path, line: str) -> None:
    config.write_text(f"{line}\n", encoding="utf-8")
    assert not says_nothing(config)


def test_an_include_of_itself_is_left_to_ssh(config: Path) -> None:
    config.write_text(f"Include {config}\n", encoding="utf-8")
    assert not says_nothing(config)


def test_without_configuration_no_program_runs(config: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("SSH_AUTH_SOCK", "/run/agent")
    found = hop(config, "Host *\n", SshTarget("web", None, None, "bastion"))
    assert (found.address, found.port, found.user, found.jump) == ("web", 22, getpass.getuser(), "bastion")
    assert (found.keys, found.known_hosts, found.agent) == (DEFAULT_KEYS, SYSTEM, "/run/agent")
    own = tmp_path / "key"
    assert hop(config, "", SshTarget("web", "deploy", 2222, own_key=own)).keys == (own,)


# --- what ssh answers


def test_every_field_is_read(config: Path) -> None:
    text = """Host web
  HostName %h.example.internal
  Port 2222
  User deploy
  HostKeyAlias cluster
  IdentityFile ~/.ssh/%r@%h
  IdentityFile none
  IdentitiesOnly yes
  IdentityAgent ~/agent
  UserKnownHostsFile /etc/known
  GlobalKnownHostsFile none
  ProxyJump one@first:2200,second
  AddressFamily inet6
"""
    found = hop(config, text, SshTarget("web"))
    assert (found.name, found.address, found.port, found.user) == ("web", "web.example.internal", 2222, "deploy")
    assert (found.alias, found.entry) == ("cluster", "cluster")
    assert found.keys == (Path("~/.ssh/deploy@web.example.internal"),)
    assert found.only_these_keys
    assert found.agent == str(Path("~/agent").expanduser())
    assert found.known_hosts == (Path("/etc/known"),)
    assert (found.jump, found.proxy_command) == ("one@first:2200,second", "")
    assert found.family is socket.AF_INET6


def test_what_is_asked_for_is_stronger(config: Path, tmp_path: Path) -> None:
    text = "Host *\n  Port 1\n  User other\n  IdentityFile /other\n  ProxyJump other\n"
    found = hop(config, text, SshTarget("web", "deploy", 2222, "mine", tmp_path / "key"))
    assert (found.port, found.user, found.jump) == (2222, "deploy", "mine")
    assert found.keys == (tmp_path / "key", Path("/other"))


def test_a_named_key_comes_without_the_default_ones(config: Path, tmp_path: Path) -> None:
    assert hop(config, "User x\n", SshTarget("web", own_key=tmp_path / "key")).keys == (tmp_path / "key",)
    assert Path("~/.ssh/id_ed25519") in hop(config, "User x\n", SshTarget("web")).keys


def test_a_proxy_command_is_filled_in(config: Path) -> None:
    found = hop(
        config, "User me\nHostName there\nProxyCommand nc -x %h %p %r %n %%p ${HOME}\n", SshTarget("web", port=7)
    )
    assert found.proxy_command == "nc -x there 7 me web %p ${HOME}"


@pytest.mark.parametrize("said", ["none", "SSH_AUTH_SOCK", "$MINE"])
def test_which_agent_is_meant(config: Path, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSH_AUTH_SOCK", "/run/usual")
    monkeypatch.setenv("MINE", "/run/mine")
    expected = {"none": "", "SSH_AUTH_SOCK": "/run/usual", "$MINE": "/run/mine"}[said]
    assert hop(config, f"IdentityAgent {said}\n", SshTarget("web")).agent == expected


def test_a_token_that_is_not_known_is_refused(config: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        hop(config, "IdentityFile ~/.ssh/%C\n", SshTarget("web"))
    found, then = caught.value.args
    assert "`%C`" in found
    assert str(config) in then


def test_a_home_of_ones_own_has_a_configuration_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    system = tmp_path / "system"
    monkeypatch.setattr(ssh_config, "SYSTEM_WIDE", system)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "config").write_text("Host web\n  User mine\n", encoding="utf-8")
    system.write_text("User everybody\nPort 2200\n", encoding="utf-8")
    web, other = (SshConfig().hop(SshTarget(name), Deadline(20)) for name in ("web", "other"))
    assert (web.user, web.port, other.user) == ("mine", 2200, "everybody")
    assert web.known_hosts[0] == Path("~/.ssh/known_hosts")


def test_each_question_is_asked_once(config: Path, tmp_path: Path) -> None:
    asked = tmp_path / "asked"
    config.write_text(f'Match exec "echo >> {asked}"\n  User x\n', encoding="utf-8")
    known = SshConfig(config)
    for _ in range(3):
        known.hop(SshTarget("web"), Deadline(20))
    assert asked.read_text() == "\n"


def test_a_question_that_hangs_ends_by_the_deadline(config: Path) -> None:
    config.write_text('Match exec "sleep 30; true"\n  User x\n', encoding="utf-8")
    with pytest.raises(TimeoutError, match="did not end"):
        SshConfig(config).hop(SshTarget("web"), Deadline(0.3))


# --- tokens, jump hosts


def test_tokens_and_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHERE", "/keys")
    assert expand("${WHERE}/%h-%%-%u", {"h": "web"}) == f"/keys/web-%-{getpass.getuser()}"
    with pytest.raises(TokenError, match="the variable is not set"):
        expand("${NOWHERE_SET}", {})


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


def test_only_the_first_jump_host_may_have_a_route_of_its_own(config: Path, tmp_path: Path) -> None:
    text = "Host a\n  ProxyJump outer\nHost b\n  ProxyJump elsewhere\nHost outer\n  ProxyCommand nc %h %p\n"
    config.write_text(text, encoding="utf-8")
    host = Host("web", "192.0.2.1", "test", tmp_path / "known_hosts", proxy_jump="a,b")
    route = route_to(host, SshConfig(config), Deadline(20))
    assert [one.address for one in route] == ["outer", "a", "b", "192.0.2.1"]
    assert [one.is_jump for one in route] == [True, True, True, False]
    assert [one.proxy_command for one in route] == ["nc outer 22", "", "", ""]
    assert [one.set_in for one in route] == [
        "`ProxyJump` for a in the SSH configuration",
        "`ansible_ssh_common_args` of web",
        "`ansible_ssh_common_args` of web",
        "`ansible_host` of web",
    ]
