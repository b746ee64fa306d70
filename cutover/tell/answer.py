"""The one document of `--json`."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from cutover.tell.exits import EXITS
from cutover.words.errors import ExitCode, Problem
from cutover.world.journal import utc_now

SCHEMA = 1


def answer(
    command: str, run_id: str, exit_code: int, started_at: str, hosts: Mapping[str, Mapping[str, Any]], errors: Iterable[Problem],
    more: Mapping[str, Any] | None = None,
) -> str:  # fmt: skip
    """One JSON document with the fields that scripts rely on; times are ISO 8601 UTC, `status` is the exit code's word.

    `more`: what one command has to say besides.
    """
    document = {
        "schema": SCHEMA,
        "command": command,
        "run_id": run_id,
        "status": EXITS[ExitCode(exit_code)].status,
        "exit_code": int(exit_code),
        "started_at": started_at,
        "finished_at": utc_now(),
        "hosts": {name: dict(said) for name, said in hosts.items()},
        "errors": [
            {"host": error.host, "path": error.path, "found": error.found, "next": error.next} for error in errors
        ],
        **(more or {}),
    }
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
