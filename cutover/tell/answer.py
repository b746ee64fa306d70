"""The one document of `--json`."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cutover.tell.exits import EXITS
from cutover.words.errors import ExitCode, Problem
from cutover.world.journal import utc_now

SCHEMA = 1


@dataclass(frozen=True)
class Said:
    """What a command has to say besides how it ended: its run, its plan's fingerprint, its hosts, the files it wrote, its problems.

    `more`: keys of its own.
    """

    run: str = ""
    fingerprint: str = ""
    hosts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    errors: Iterable[Problem] = ()
    more: Mapping[str, Any] = field(default_factory=dict)


def answer(command: str, exit_code: int, started_at: str, said: Said) -> str:
    """One JSON document with the fields that scripts rely on; times are ISO 8601 UTC, `status` is the exit code's word.

    All of them but `more` are always there: what a command has nothing to say about is empty. docs/commands.md says what is in each.
    """
    document = {
        "schema": SCHEMA,
        "command": command,
        "run_id": said.run,
        "fingerprint": said.fingerprint,
        "status": EXITS[ExitCode(exit_code)].status,
        "exit_code": int(exit_code),
        "started_at": started_at,
        "finished_at": utc_now(),
        "hosts": {name: dict(one) for name, one in said.hosts.items()},
        "files": dict(said.files),
        "errors": [
            {"host": error.host, "path": error.path, "found": error.found, "next": error.next} for error in said.errors
        ],
        **said.more,
    }
    return json.dumps(document, indent=2, allow_nan=False) + "\n"
