"""The real command line in a process that dies at the N-th write of its journal: `controller.py SIDE N NOTES -- WORDS...`.

SIDE is `before` (what was done is not on record), `after` (what is on record is not done yet), `torn` (half a line is on disk)
or `never`. Every write is noted in the file NOTES, which is how the boundaries of a run are enumerated. The product itself
knows nothing of this: its own flushed append is wrapped from here.
"""

import json
import os
import signal
import sys
from pathlib import Path

SIDES = ("before", "after", "torn")


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
    signal.pause()


def wrap(side: str, number: int, notes: Path) -> None:
    """Have the process die at the N-th write."""
    from cutover.journal import journal

    append, seen = journal._append, 0

    def mortal(file: int, content: bytes) -> None:
        nonlocal seen
        seen += 1
        records = [json.loads(line) for line in content.splitlines()]
        with notes.open("a") as noted:
            noted.write(json.dumps({"number": seen, "kind": records[0]["kind"], "records": len(records)}) + "\n")
        if seen == number and side == "before":
            _die()
        if seen == number and side == "torn":
            os.write(file, content[: len(content) // 2])
            os.fsync(file)
            _die()
        append(file, content)
        if seen == number and side == "after":
            _die()

    journal._append = mortal


def main() -> None:
    """Wrap the journal, then be the command line."""
    side, number, notes, _, *words = sys.argv[1:]
    sys.path.insert(0, str(Path.cwd()))
    sys.argv = ["invoke", *words]
    wrap(side, int(number), Path(notes))
    from cutover.cli.__main__ import Cutover

    Cutover(binary="inv[oke]", binary_names=["invoke"]).run()


if __name__ == "__main__":
    main()
