"""The ways to a host that the contract holds for: in memory, this machine, real sshd on loopback, a host of the lab."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cutover.remote.connect import SshAccess
from cutover.remote.ssh import SshTransport
from cutover.remote.transport import Result, Transport
from tests.contract import sshd
from tests.realhost import RealHost
from tests.transports import Call, FakeTransport, LocalTransport, result_of


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What logs in on loopback needs an sshd."""
    for item in items:
        if "loopback" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.tool("sshd"))


@pytest.fixture(scope="session")
def loopback(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sshd.Sshd]:
    """A real sshd on loopback."""
    server = sshd.start(tmp_path_factory.mktemp("sshd"))
    yield server
    server.stop()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of the test's own, with nothing in its ~/.ssh but what the test writes."""
    ssh = tmp_path / "home" / ".ssh"
    ssh.mkdir(parents=True, mode=0o700)
    monkeypatch.setenv("HOME", str(ssh.parent))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    return ssh.parent


@pytest.fixture
def access(home: Path) -> SshAccess:  # noqa: ARG001 - set up first
    """What connections share, without any key the user's own files know."""
    return SshAccess()


@pytest.fixture
def over_ssh(loopback: sshd.Sshd, access: SshAccess) -> Iterator[SshTransport]:
    """A transport over real SSH to loopback."""
    transport = SshTransport(loopback.host(), access)
    yield transport
    transport.close()


@pytest.fixture(
    params=[
        "fake",
        "local",
        pytest.param("loopback", marks=pytest.mark.tool("sshd")),
        pytest.param("lab", marks=[pytest.mark.lab, pytest.mark.xdist_group("real")]),
    ]
)
def transport(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Transport]:
    """Each way to a host in turn."""
    made = _made(request, tmp_path, monkeypatch)
    yield made
    made.close()


def _made(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Transport:
    if request.param == "fake":
        return FakeTransport("fake", play)
    if request.param == "local":
        tools = tmp_path / "bin"
        tools.mkdir()
        (tools / "sudo").write_text(sshd.SUDO, encoding="utf-8")
        (tools / "sudo").chmod(0o755)
        pythons = Path(sys.executable).parent  # a shim of python3 takes longer than a test
        monkeypatch.setenv("PATH", f"{tools}:{pythons}", prepend=":")
        return LocalTransport()
    if request.param == "loopback":
        over: SshTransport = request.getfixturevalue("over_ssh")
        return over
    real: RealHost = request.getfixturevalue("real")
    return real.transport()


def play(call: Call) -> Result:
    """Let this machine's programs play the fake host's: the fake itself knows no command."""
    environment = {"PATH": "/usr/bin:/bin", "BY_SUDO": "yes"}
    done = subprocess.run(call.argv, input=call.stdin, capture_output=True, check=False, env=environment)
    return result_of(done.returncode, done.stdout, done.stderr)
