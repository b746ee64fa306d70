"""A real sshd on a free port of 127.0.0.1 for one test session: own keys, own configuration, this user's login."""

import getpass
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from cutover.core.host import Host
from tests.waiting import wait_until

KINDS = ("ed25519", "ecdsa")

# Stands where sudo is not installed: it takes exactly what we promise to send, and shows that it was used.
SUDO = """#!/bin/sh
[ "$1 $2" = "-n --" ] || { echo "sudo: called in another way: $*" >&2; exit 1; }
shift 2
[ ! -e "$(dirname "$0")/refuses" ] || { echo "sudo: a password is required" >&2; exit 1; }
BY_SUDO=yes exec "$@"
"""


@dataclass
class Sshd:
    """A running sshd and what is needed to log in."""

    directory: Path
    port: int
    process: subprocess.Popen[bytes]
    known_hosts: Path
    authority: Path  # the public key that has signed its host keys
    client_key: Path
    bin: Path

    def host(self, name: str = "loop", **changes: object) -> Host:
        """The inventory's view of it."""
        values: dict[str, object] = {
            "name": name,
            "address": "127.0.0.1",
            "environment": "test",
            "known_hosts": self.known_hosts,
            "port": self.port,
            "user": getpass.getuser(),
            "identity_file": self.client_key,
            **changes,
        }
        return Host(**values)  # type: ignore[arg-type]

    def sessions(self) -> list[int]:
        """Process ids of the connections that are open now, each with all the processes below it."""
        return [pid for child in children(self.process.pid) for pid in (child, *children(child))]

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Nothing answers on the connections that are open."""
        self.signal_sessions(signal.SIGSTOP)
        try:
            yield
        finally:
            self.signal_sessions(signal.SIGCONT)

    def signal_sessions(self, number: signal.Signals) -> None:
        """Send a signal to every open connection's own process."""
        for pid in self.sessions():
            with suppress(FileNotFoundError, ProcessLookupError):  # ended by itself meanwhile
                if Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").startswith("sshd"):
                    os.kill(pid, number)

    def logins(self) -> int:
        """How often somebody has logged in so far."""
        return (self.directory / "log").read_text(encoding="utf-8").count("Accepted publickey")

    def stop(self) -> None:
        """End the daemon and every connection."""
        self.signal_sessions(signal.SIGKILL)
        self.process.terminate()
        self.process.wait(10)


def children(pid: int) -> list[int]:
    """Processes started by `pid`; none where it is gone."""
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def new_key(path: Path, kind: str = "ed25519") -> Path:
    """Make a key pair without a passphrase."""
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", str(path)], check=True)
    return path


def certify(key: Path, authority: Path, *names: str, options: tuple[str, ...] = ("-h",)) -> str:
    """Have an authority sign the public key of a pair, by default that of a host; gives the certificate, which lies beside the key."""
    wanted = [*options, *(("-n", ",".join(names)) if names else ())]
    argv = ["ssh-keygen", "-q", "-s", str(authority), "-I", "test", *wanted, str(key.with_suffix(".pub"))]
    subprocess.run(argv, check=True)
    return key.with_name(f"{key.name}-cert.pub").read_text(encoding="utf-8")


def start(directory: Path) -> Sshd:
    """Start an sshd with everything it needs under `directory`."""
    program = shutil.which("sshd")
    assert program is not None, "sshd is missing: `tests/unpack-tools` gets one without installing it"
    directory.chmod(0o755)
    tools = directory / "bin"
    tools.mkdir()
    sudo = tools / "sudo"
    sudo.write_text(SUDO, encoding="utf-8")
    sudo.chmod(0o755)
    keys = {kind: new_key(directory / f"host_{kind}", kind) for kind in KINDS}
    authority = new_key(directory / "authority")
    for key in keys.values():
        certify(key, authority, "127.0.0.1")
    client = new_key(directory / "client")
    authorized = directory / "authorized_keys"
    authorized.write_text(client.with_suffix(".pub").read_text(encoding="utf-8"), encoding="utf-8")
    port = free_port()
    config = directory / "sshd_config"
    config.write_text(_config(directory, port, keys, authorized, tools) + _parts(Path(program)), encoding="utf-8")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # sshd refuses to start as root without it
    known = directory / "known_hosts"
    public = keys["ed25519"].with_suffix(".pub").read_text(encoding="utf-8").split()
    known.write_text(f"[127.0.0.1]:{port} {public[0]} {public[1]}\n", encoding="utf-8")
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen([program, "-D", "-e", "-f", str(config)], stderr=log)
    _wait_for(port, process, directory / "log")
    return Sshd(directory, port, process, known, authority.with_suffix(".pub"), client, tools)


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def _config(directory: Path, port: int, keys: dict[str, Path], authorized: Path, tools: Path) -> str:
    host_keys = "".join(f"HostKey {path}\nHostCertificate {path}-cert.pub\n" for path in keys.values())
    return f"""ListenAddress 127.0.0.1
Port {port}
{host_keys}AuthorizedKeysFile {authorized}
PidFile {directory}/pid
StrictModes no
UsePAM no
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
AllowTcpForwarding yes
SetEnv PATH={tools}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin HOME={directory}
"""


def _parts(program: Path) -> str:
    """Where the parts are that OpenSSH 9.8 split off, if this is one of .cutover/tools."""
    parts = {"SshdSessionPath": "sshd-session", "SshdAuthPath": "sshd-auth"}
    folder = program.resolve().parents[1] / "root" / "usr" / "lib" / "openssh"
    return "".join(f"{option} {folder / part}\n" for option, part in parts.items() if (folder / part).exists())


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    def listening() -> bool:
        assert process.poll() is None, f"sshd did not start: {log.read_text(encoding='utf-8', errors='replace')}"
        with socket.socket() as sock:
            return sock.connect_ex(("127.0.0.1", port)) == 0

    wait_until(listening)
