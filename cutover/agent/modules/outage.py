"""How long a service was away, by the host's own journal: from one unit being told to stop to another being ready."""

import json
from collections.abc import Mapping
from typing import Any

from cutover.agent import process
from cutover.agent.clock import iso
from cutover.agent.work import State, Work

Args = Mapping[str, Any]

# systemd's message ids (systemd/sd-messages.h): what PID 1 logs about a unit's life.
EVENTS = {
    "7d4958e842da4a758f6c1cdc7b36dcc5": "starting",
    "39f53479d3a045ac8e11786248231fbf": "started",
    "de5b426a63be47a7b6ac3eaac82e2f6f": "stopping",
    "9d1aaa27d60140bd96365438aad20286": "stopped",
    "d9b373ed55a64feb8242e02dbe79a49c": "failed",
}


def look_gap(args: Args, _work: Work) -> State:
    """gap_s from the last stop of args["stopped"] to the last start of args["started"], and what it consists of (seconds).

    stop_s: told to stop until gone; between_s: until the other was told to start; start_s: until it said that it is ready.
    """
    ups = [event for event in life(args["started"]) if event[0] in ("starting", "started")]
    ready = next((at for name, at in reversed(ups) if name == "started"), None)
    if ready is None:
        return {"gap_s": None, "why": f"{args['started']} has not been started"}
    told_to_start = next((at for name, at in reversed(ups) if name == "starting" and at <= ready), ready)
    downs = [
        event
        for event in life(args["stopped"])
        if event[1] <= told_to_start and event[0] in ("stopping", "stopped", "failed")
    ]
    gone = next((at for name, at in reversed(downs) if name in ("stopped", "failed")), None)
    if gone is None:
        return {"gap_s": None, "why": f"{args['stopped']} has not been stopped before"}
    told_to_stop = next((at for name, at in reversed(downs) if name == "stopping" and at <= gone), gone)
    parts = {"stop_s": gone - told_to_stop, "between_s": told_to_start - gone, "start_s": ready - told_to_start}
    state: State = {"gap_s": round(ready - told_to_stop, 3), "from": iso(told_to_stop), "until": iso(ready)}
    return state | {name: round(seconds, 3) for name, seconds in parts.items()}


def life(unit: str) -> list[tuple[str, float]]:
    """What PID 1 logged about a unit, in order: (event, Unix time)."""
    matches = [f"MESSAGE_ID={message}" for message in EVENTS]
    ended = process.run(
        [
            "journalctl",
            "--no-pager",
            "-o",
            "json",
            "--output-fields=MESSAGE_ID,UNIT",
            "-n",
            "200",
            "_PID=1",
            f"UNIT={unit}",
            *matches,
        ],
        deadline_s=10,
    )
    if ended.exit_code != 0:
        raise OSError(f"journalctl: {ended.end} {ended.exit_code}: {ended.stderr.strip()}")
    entries = [json.loads(line) for line in ended.stdout.splitlines()]
    return [(EVENTS[entry["MESSAGE_ID"]], int(entry["__REALTIME_TIMESTAMP"]) / 1e6) for entry in entries]
