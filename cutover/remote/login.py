"""Asks a host the first questions, with nothing but `sh`: who am I there, is there sudo, which Python."""

import shlex
from dataclasses import dataclass

from cutover.core.errors import Problem, Unreachable
from cutover.remote.base import Transport
from cutover.remote.commands import sudo_problem

# Plain POSIX; each answer is one line, so that a host which misses a tool still answers the rest.
_SCRIPT = """say() { printf '%s=%s\\n' "$1" "$2"; }
say user "$(id -un)"
if refused=$(sudo -n -- true 2>&1); then say sudo yes; else say sudo "no: $(printf '%s' "$refused" | tr '\\n' ' ')"; fi
for candidate in PYTHONS; do
  path=$(command -v "$candidate" 2>/dev/null) || continue
  version=$("$path" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])' 2>/dev/null) || continue
  say python_path "$path"
  say python_version "$version"
  break
done
say machine "$(uname -m)"
say hostname "$(uname -n)"
say boot_id "$(cat /proc/sys/kernel/random/boot_id 2>/dev/null)"
say time "$(date -u +%s)"
say done yes
"""


@dataclass(frozen=True)
class LoginFacts:
    """What a host says before anything of ours is on it. A Python that is too old is reported, not refused here."""

    user: str
    sudo: bool
    sudo_says: str  # why not; empty where sudo works
    python_path: str | None
    python_version: tuple[int, ...] | None
    machine: str
    hostname: str
    boot_id: str
    time: int  # the host's clock, seconds since 1970 UTC

    def require_sudo(self, host: str) -> None:
        """Raise Unreachable where `sudo -n` gives nothing."""
        if not self.sudo:
            raise Unreachable(sudo_problem(host, self.sudo_says))


def probe_login(transport: Transport, *, python: str = "python3", deadline: float = 20.0) -> LoginFacts:
    """Ask once; `python` is where the inventory says that it is, and `python3` of the PATH comes after it."""
    pythons = " ".join(shlex.quote(path) for path in dict.fromkeys((python, "python3")))
    result = transport.shell(_SCRIPT.replace("PYTHONS", pythons), deadline=deadline)
    lines = result.stdout.decode(errors="replace").splitlines()
    # A login that prints a greeting of its own must not confuse: only lines of ours count.
    said = dict(line.split("=", 1) for line in lines if "=" in line)
    if not result.succeeded or said.get("done") != "yes":
        raise Unreachable(_no_shell(transport.name, result.stdout + result.stderr))
    version = said.get("python_version")
    return LoginFacts(
        user=said["user"],
        sudo=said["sudo"] == "yes",
        sudo_says="" if said["sudo"] == "yes" else said["sudo"].removeprefix("no:").strip(),
        python_path=said.get("python_path"),
        python_version=tuple(int(part) for part in version.split(".")) if version else None,
        machine=said["machine"],
        hostname=said["hostname"],
        boot_id=said["boot_id"],
        time=int(said["time"]),
    )


def _no_shell(host: str, said: bytes) -> Problem:
    words = " ".join(said.decode(errors="replace").split())[:200]
    return Problem(
        host=host,
        found=f"the login works, but its shell does not run a plain POSIX script: {words or 'no answer'}",
        next="give the login user /bin/sh or bash as its shell, without a forced command",
    )
