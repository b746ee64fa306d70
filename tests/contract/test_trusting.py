"""`hosts.trust` over real sshd: the command that a refusal prints is run as it is printed, and then lets in."""

import argparse
import getpass
import io
import json
import re
import shlex
from pathlib import Path

import pytest

from cutover.cli.hosts import trust
from cutover.core.errors import ExitCode, Unreachable
from cutover.core.host import Host
from cutover.inventory.load import load
from cutover.remote.connect import SshAccess
from cutover.remote.ssh import SshTransport
from cutover.run.options import RunOptions
from tests.contract import sshd
from tests.transports import reaches


@pytest.fixture
def root(tmp_path: Path, home: Path, loopback: sshd.Sshd, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with one environment: `near`, and `far` behind a bastion; the same sshd plays them all."""
    (home / ".ssh" / "id_ed25519").symlink_to(loopback.client_key)
    inventory = tmp_path / "inventory" / "real"
    inventory.mkdir(parents=True)
    user = getpass.getuser()
    (inventory / "hosts.yml").write_text(
        f"""all:
  vars: {{ansible_port: {loopback.port}, ansible_user: {user}, ansible_ssh_private_key_file: {loopback.client_key}}}
  hosts:
    near: {{ansible_host: 127.0.0.1}}
    far: {{ansible_host: 127.0.0.1, ansible_ssh_common_args: "-J {user}@localhost:{loopback.port}"}}
""",
        encoding="utf-8",
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path


def host(root: Path, name: str) -> Host:
    return load(root / "inventory" / "real").hosts[name]


def refusal(root: Path, name: str) -> tuple[str, str]:
    with pytest.raises(Unreachable) as caught:
        reaches(SshTransport(host(root, name), SshAccess()))
    (problem,) = caught.value.problems
    return problem.found, problem.next


def gets_in(root: Path, name: str) -> bool:
    transport = SshTransport(host(root, name), SshAccess())
    try:
        return reaches(transport)
    finally:
        transport.close()


def printed(text: str) -> list[str]:
    """The words of the command that a message prints, without `./invokew hosts.trust`."""
    match = re.search(r"`\./invokew hosts\.trust ([^`]*)`", text)
    assert match, text
    return shlex.split(match[1])


def follow(root: Path, words: list[str], *, yes: bool = True, as_json: bool = False) -> ExitCode:
    parser = argparse.ArgumentParser(exit_on_error=False)
    for option in ("--hosts", "--inventory"):
        parser.add_argument(option, default="")
    parser.add_argument("--replace", action="store_true")
    asked = parser.parse_args(words)
    options = RunOptions(root, "hosts.trust", asked.hosts, asked.inventory, json=as_json, yes=yes)
    return trust(options, replace=asked.replace)


def other_key(tmp_path: Path) -> str:
    return " ".join(sshd.new_key(tmp_path / "other").with_suffix(".pub").read_text(encoding="utf-8").split()[:2])


def pinned_file(root: Path) -> Path:
    return root / "inventory" / "real" / "known_hosts"


def test_the_command_that_a_refusal_prints_pins_the_key(root: Path) -> None:
    found, then = refusal(root, "near")
    assert "no host key is pinned" in found
    assert "SHA256:" in found
    assert printed(then) == ["--inventory", "inventory/real", "--hosts", "near"]
    assert follow(root, printed(then)) is ExitCode.DONE
    assert gets_in(root, "near")


def test_it_works_for_an_inventory_elsewhere_too(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    (elsewhere := tmp_path_factory.mktemp("some where") / "real").symlink_to(root / "inventory" / "real")
    with pytest.raises(Unreachable) as caught:
        reaches(SshTransport(load(elsewhere).hosts["near"], SshAccess()))
    assert follow(root, printed(caught.value.problems[0].next)) is ExitCode.DONE
    assert gets_in(root, "near")


def test_a_bastion_that_is_not_pinned_is_shown_pinned_and_passed(
    root: Path, loopback: sshd.Sshd, capsys: pytest.CaptureFixture[str]
) -> None:
    found, then = refusal(root, "far")
    assert f"no host key is pinned for [localhost]:{loopback.port} (the jump host of far)" in found
    assert follow(root, printed(then)) is ExitCode.DONE
    shown = capsys.readouterr().out
    assert shown.index(f"[localhost]:{loopback.port} (jump host)") < shown.index("far  ")
    assert gets_in(root, "far")
    assert follow(root, printed(then), yes=False) is ExitCode.DONE, "nothing is left to say yes to"
    assert "nothing new" in capsys.readouterr().out


def test_nobody_logs_in_on_a_bastion_before_the_yes(
    root: Path, loopback: sshd.Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = loopback.logins()
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert follow(root, ["--hosts", "real:&far"], yes=False) is ExitCode.USAGE
    assert loopback.logins() == before
    assert not pinned_file(root).exists()


def test_a_changed_key_is_shown_and_refused_before_the_question_and_the_printed_command_replaces_it(
    root: Path, loopback: sshd.Sshd, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pinned_file(root).write_text(f"[127.0.0.1]:{loopback.port} {other_key(tmp_path)}\n", encoding="utf-8")
    found, then = refusal(root, "near")
    assert found.count("SHA256:") == 2
    assert "owner" in then
    assert printed(then)[-3:] == ["--hosts", "near", "--replace"]
    # Without --replace: no question, though nobody said yes.
    assert follow(root, ["--hosts", "real:&near"], yes=False) is ExitCode.REFUSED
    printed_text = capsys.readouterr()
    assert re.search(r"near +ssh-ed25519 +SHA256:\S+ +CHANGED, was SHA256:", printed_text.out)
    assert re.search(r"near +ecdsa-sha2-nistp256 +SHA256:\S+ +new", printed_text.out)
    assert "--replace" in printed_text.err
    assert "needs confirmation" not in printed_text.err
    assert follow(root, printed(then)) is ExitCode.DONE
    assert gets_in(root, "near")


def test_the_document_has_states_of_hosts_and_jump_hosts(
    root: Path, loopback: sshd.Sshd, capsys: pytest.CaptureFixture[str]
) -> None:
    assert follow(root, ["--hosts", "real"], as_json=True) is ExitCode.DONE
    hosts = json.loads(capsys.readouterr().out)["hosts"]
    assert hosts["near"]["states"] == {"ssh-ed25519": "new", "ecdsa-sha2-nistp256": "new"}
    assert hosts["far"]["states"] == {"ssh-ed25519": "pinned", "ecdsa-sha2-nistp256": "pinned"}
    assert hosts["far"]["jumps"][f"[localhost]:{loopback.port}"]["states"] == hosts["near"]["states"]
    assert "jumps" not in hosts["near"]
