"""Run a program of the release and keep its result, which must be one JSON document, as a measurement."""

import json
from collections.abc import Mapping
from typing import Any

from cutover.agent import process
from cutover.agent.work import State, Work

Args = Mapping[str, Any]


def look_result(args: Args, work: Work) -> State:
    """The result of the run in this batch: exit_code, document, stderr, seconds; {"ran": False} before it ran."""
    return work.results.get(args["name"], {"ran": False})


def run_command(args: Args, _desired: Args, _before: State, work: Work) -> None:
    """Run args["argv"] once as args["user"], within args["timeout_s"]."""
    ended = process.run(
        args["argv"],
        deadline_s=work.seconds_left(args.get("timeout_s", 60)),
        env=args.get("env"),
        user=args.get("user"),
    )
    work.results[args["name"]] = {
        "ran": True,
        "end": ended.end,
        "exit_code": ended.exit_code if ended.exit_code is not None else "none",
        "document": _document(ended.stdout),
        "output": "" if _document(ended.stdout) is not None else ended.stdout[-4000:],
        "stderr": ended.stderr[-4000:],
        "seconds": round(ended.seconds, 4),
    }


def _document(output: str) -> Any:
    """The JSON document that a program printed, or None where it printed something else."""
    try:
        return json.loads(output)
    except ValueError:
        return None
