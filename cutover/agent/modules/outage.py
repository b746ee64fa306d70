"""How long a service was down, by the host's own journal: from the stop request of one unit to another being ready."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from cutover.agent import process
from cutover.agent.clock import JOURNALCTL_S, iso
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

    stop_s: from the stop request until it was gone; between_s: until the start request of the other; start_s: until it was ready.
    """
    ups = [event for event in life(args["started"]) if event[0] in ("starting", "started")]
    ready = next((at for name, at in reversed(ups) if name == "started"), None)
    if ready is None:
        return {"gap_s": None, "why": f"{args['started']} has not been started"}
    start_at = next((at for name, at in reversed(ups) if name == "starting" and at <= ready), ready)
    downs = [
        event
        for event in life(args["stopped"])
        if event[1] <= start_at and event[0] in ("stopping", "stopped", "failed")
    ]
    gone = next((at for name, at in reversed(downs) if name in ("stopped", "failed")), None)
    if gone is None:
        return {"gap_s": None, "why": f"{args['stopped']} has not been stopped before"}
    stop_at = next((at for name, at in reversed(downs) if name == "stopping" and at <= gone), gone)
    parts = {"stop_s": gone - stop_at, "between_s": start_at - gone, "start_s": ready - start_at}
    rounded = {name: round(seconds, 3) for name, seconds in parts.items()}
    return {"gap_s": round(ready - stop_at, 3), "from": iso(stop_at), "until": iso(ready), **rounded}


def life(unit: str) -> list[tuple[str, float]]:
    """What PID 1 logged about a unit, in order: (event, Unix time)."""
    matches = [f"MESSAGE_ID={message}" for message in EVENTS]
    done = process.run(
        [
            "journalctl", "--no-pager", "-o", "json", "--output-fields=MESSAGE_ID,UNIT", "-n", "200",
            "_PID=1", f"UNIT={unit}", *matches,
        ],
        deadline_s=JOURNALCTL_S,
    )  # fmt: skip
    if done.exit_code != 0:
        raise OSError(f"journalctl: {done.end} {done.exit_code}: {done.stderr.strip()}")
    entries = [json.loads(line) for line in done.stdout.splitlines()]
    return [(EVENTS[entry["MESSAGE_ID"]], int(entry["__REALTIME_TIMESTAMP"]) / 1e6) for entry in entries]
