"""Run a program of the release and keep its result, which must be one JSON document, as a measurement."""

from __future__ import annotations

from cutover.agent import process
from cutover.agent.document import parsed
from cutover.agent.work import Args, State, Work


def look_result(args: Args, work: Work) -> State:
    """The result of the run in this batch: exit_code, document, stderr, seconds; {"ran": False} before it ran."""
    return work.results.get(args["name"], {"ran": False})


def run_command(args: Args, _desired: Args, _before: State, work: Work) -> None:
    """Run args["argv"] once as args["user"], within args["timeout_s"]."""
    done = process.run(args["argv"], deadline_s=work.seconds_left(args["timeout_s"]), user=args.get("user"))
    try:
        document = parsed(done.stdout)
    except ValueError:
        document = None
    work.results[args["name"]] = {
        "ran": True,
        "end": done.end,
        "exit_code": done.exit_code if done.exit_code is not None else "none",
        "document": document,
        "output": "" if document is not None else done.stdout[-4000:],
        "stderr": done.stderr[-4000:],
        "seconds": round(done.seconds, 4),
    }
