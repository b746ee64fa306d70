"""Commands and uploads on this machine, for tests and for a controller that is its own host."""

import os
import signal
import subprocess
from typing import BinaryIO

from cutover.world.remote.base import DeadlinePassed, Progress, Result
from cutover.world.remote.commands import Commands
from cutover.world.remote.deadline import Deadline


class LocalTransport(Commands):
    """The machine itself, asked just as a remote host would be: through its `sh`, in a session of its own."""

    def __init__(self, name: str = "localhost") -> None:
        super().__init__(name)

    def close(self) -> None:
        """Nothing is kept open here."""

    def _execute(self, command: str, stdin: BinaryIO, *, deadline: float, progress: Progress | None = None) -> Result:
        until, data = Deadline(deadline), stdin.read()
        process = subprocess.Popen(
            ("/bin/sh", "-c", command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        try:
            stdout, stderr = process.communicate(data, timeout=until.left)
        except subprocess.TimeoutExpired as error:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            raise DeadlinePassed(self.name, f"no end of the command within {deadline:.1f} s") from error
        if progress is not None:
            progress(len(data))
        if process.returncode < 0:
            name = signal.Signals(-process.returncode).name.removeprefix("SIG")
            return Result(None, stdout, stderr, until.spent, name)
        return Result(process.returncode, stdout, stderr, until.spent)
