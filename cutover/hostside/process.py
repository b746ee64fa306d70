"""Run other programs on the host with a deadline, and read what they say."""

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

KEEP = 64_000  # characters of output kept from each stream: the end, where errors stand


@dataclass(frozen=True)
class Ended:
    """How a program ended: exit code (None after a signal or a passed deadline), its output, seconds."""

    exit_code: int | None
    stdout: str
    stderr: str
    seconds: float
    end: str = "exited"  # exited | signal N | deadline passed | not found


def run(argv: Sequence[str], *, deadline_s: float, env: Mapping[str, str] | None = None, user: str | None = None) -> Ended:
    """Run a program in a session of its own and kill the whole session when its deadline (seconds) passes."""
    started = time.monotonic()
    try:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=clean_environment() | dict(env or {}),
            start_new_session=True,
            user=user,
            group=user,  # the group of the same name, as Debian and Red Hat make for each service user
            extra_groups=[] if user else None,
            cwd="/",
        )
    except FileNotFoundError as missing:
        return Ended(None, "", str(missing), time.monotonic() - started, "not found")
    except (LookupError, ValueError) as unknown_user:
        return Ended(None, "", str(unknown_user), time.monotonic() - started, "not found")
    try:
        out, err = process.communicate(timeout=max(deadline_s, 0.01))
        end = "exited" if process.returncode >= 0 else f"signal {-process.returncode}"
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        out, err = process.communicate()
        end = "deadline passed"
    code = process.returncode if end == "exited" else None
    return Ended(code, _text(out), _text(err), time.monotonic() - started, end)


def clean_environment() -> dict[str, str]:
    """The environment for programs that we start: nothing inherited from whoever logged in."""
    return {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC", "HOME": "/root"}


def _text(output: bytes) -> str:
    return output.decode(errors="backslashreplace")[-KEEP:]
