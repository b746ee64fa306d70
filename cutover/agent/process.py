"""Run other programs on the host with a deadline, and collect their output."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

from cutover.agent.clock import PIPES_S
from cutover.agent.work import CannotChange

# For the programs that we start: nothing is inherited from the login.
CLEAN_ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC", "HOME": "/root",
}  # fmt: skip


class ProcessResult(NamedTuple):
    """How a program ended: exit code (None after a signal or a passed deadline), its output, seconds."""

    exit_code: int | None
    stdout: str
    stderr: str
    seconds: float
    end: str = "exited"  # exited | signal N | deadline passed | not found


def run(argv: Sequence[str], *, deadline_s: float, user: str | None = None) -> ProcessResult:
    """Run a program in a session of its own and kill the whole session when its deadline (seconds) passes."""
    started = time.monotonic()
    try:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=CLEAN_ENVIRONMENT,
            start_new_session=True,
            user=user,
            group=user,  # the group of the same name, as Debian and Red Hat make for each service user
            extra_groups=[] if user else None,
            cwd="/",
        )
    except (FileNotFoundError, LookupError, ValueError) as missing:  # no such program, or no such user
        return ProcessResult(None, "", str(missing), time.monotonic() - started, "not found")
    try:
        out, err = process.communicate(timeout=max(deadline_s, 0.01))
        end = "exited" if process.returncode >= 0 else f"signal {-process.returncode}"
    except subprocess.TimeoutExpired:
        _kill_session(process.pid)
        out, err = _rest(process)
        end = "deadline passed"
    code = process.returncode if end == "exited" else None
    stdout, stderr = (output.decode(errors="backslashreplace") for output in (out, err))
    return ProcessResult(code, stdout, stderr, time.monotonic() - started, end)


def run_or_fail(argv: Sequence[str], *, deadline_s: float) -> ProcessResult:
    """Run a program, and raise CannotChange with its last words where it does not end well."""
    done = run(argv, deadline_s=deadline_s)
    if done.exit_code != 0:
        said = done.stderr.strip() or done.stdout.strip()
        raise CannotChange(f"{' '.join(argv)}: {done.end} {done.exit_code}: {said[-1500:]}")
    return done


def _kill_session(leader: int) -> None:
    """End every process of a session, those in process groups of their own included."""
    for entry in os.scandir("/proc"):
        if entry.name.isdecimal():
            with suppress(ProcessLookupError):  # it ended by itself
                if os.getsid(int(entry.name)) == leader:
                    os.kill(int(entry.name), signal.SIGKILL)


def _rest(process: subprocess.Popen[bytes]) -> tuple[bytes, bytes]:
    """The output until the end; a process that left the session may hold the pipes open for ever, so not all may come."""
    try:
        return process.communicate(timeout=PIPES_S)
    except subprocess.TimeoutExpired as held:
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()
        with suppress(subprocess.TimeoutExpired):  # stuck in the kernel: PID 1 gets it
            process.wait(timeout=PIPES_S)
        return held.output or b"", held.stderr or b""
