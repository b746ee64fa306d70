"""Run one program to its end or its deadline, and print how it ended: exit status, seconds, CPU seconds, peak memory.

A program of its own, of the standard library alone: the kernel counts the memory of whoever starts a program as the
program's own peak, so what starts it must be smaller than anything that is measured.
"""

import json
import os
import signal
import subprocess
import sys
import time

KB = 1024


def main(arguments: list[str]) -> int:
    """DEADLINE_SECONDS STDOUT STDERR PROGRAM ARGUMENT..."""
    deadline, out_path, err_path, *argv = arguments
    begun = time.perf_counter()
    with open(out_path, "wb") as out, open(err_path, "wb") as err:  # noqa: PTH123 - pathlib would double its size
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=err)
        late: list[bool] = []

        def end(*_: object) -> None:
            late.append(True)
            process.kill()

        signal.signal(signal.SIGALRM, end)
        signal.setitimer(signal.ITIMER_REAL, float(deadline))
        _, status, used = os.wait4(process.pid, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
    ended = {
        "exit_code": os.waitstatus_to_exitcode(status),
        "late": bool(late),
        "seconds": round(time.perf_counter() - begun, 4),
        "cpu_seconds": round(used.ru_utime + used.ru_stime, 4),
        "peak_mb": round(used.ru_maxrss * KB / 1e6, 1),
    }
    sys.stdout.write(json.dumps(ended))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
