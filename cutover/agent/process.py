"""Run other programs on the host with a deadline, and collect their output."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import IO, NamedTuple, cast

from cutover.agent.clock import PIPES_S
from cutover.agent.work import CannotChange

OUTPUT_MOST = 8 << 20  # bytes of standard output, and of standard error
CHUNK = 1 << 16

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
    end: str = "exited"  # exited | signal N | deadline passed | more than N bytes of output | not found


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
    output = _Output(process)
    end = output.read_until(started + deadline_s)
    if end:
        _kill_session(process.pid)
        # Not to the end: a process that left the session may hold the pipes open for ever.
        output.read_until(time.monotonic() + PIPES_S)
    else:
        end = "exited" if process.returncode >= 0 else f"signal {-process.returncode}"
    code = process.returncode if end == "exited" else None
    return ProcessResult(code, *output.close(), time.monotonic() - started, end)


class _Output:
    """What a program writes, as far as it is kept: it may belong to others, and memory is the host's."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._read: dict[IO[bytes], bytearray] = {}
        self._open = selectors.DefaultSelector()
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                self._read[pipe] = bytearray()
                self._open.register(pipe, selectors.EVENT_READ)

    def read_until(self, end: float) -> str:
        """Read until the program ends or `end` (time.monotonic()). Returns why it is not waited for any longer; "" if it has ended."""
        while self._open.get_map():
            for key, _ in self._open.select(max(end - time.monotonic(), 0.01)):
                pipe = cast("IO[bytes]", key.fileobj)
                chunk = os.read(key.fd, CHUNK)
                if not chunk:
                    self._open.unregister(pipe)
                self._read[pipe] += chunk[: OUTPUT_MOST - len(self._read[pipe])]
                if len(self._read[pipe]) >= OUTPUT_MOST:
                    return f"more than {OUTPUT_MOST} bytes of output"
            if self._open.get_map() and time.monotonic() >= end:
                return "deadline passed"
        try:
            self._process.wait(max(end - time.monotonic(), 0.01))
        except subprocess.TimeoutExpired:
            return "deadline passed"
        return ""

    def close(self) -> tuple[str, str]:
        """Both outputs as far as they were read."""
        self._open.close()
        for pipe in self._read:
            pipe.close()
        with suppress(subprocess.TimeoutExpired):  # stuck in the kernel: PID 1 gets it
            self._process.wait(PIPES_S)
        stdout, stderr = (bytes(read).decode(errors="backslashreplace") for read in self._read.values())
        return stdout, stderr


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
