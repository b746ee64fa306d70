"""How long a service was down, by the host's own journal: from the stop request of one unit to another being ready."""

from __future__ import annotations

import json
import math

from cutover.agent import process
from cutover.agent.clock import JOURNALCTL_S, iso
from cutover.agent.work import Args, State, Work

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
    ups, downs = life(args["started"]), life(args["stopped"])
    ready = _last(ups, ("started",), math.inf)
    if ready is None:
        return {"gap_s": None, "why": f"{args['started']} has not been started"}
    start_at = _last(ups, ("starting",), ready) or ready
    gone = _last(downs, ("stopped", "failed"), start_at)
    if gone is None:
        return {"gap_s": None, "why": f"{args['stopped']} has not been stopped before"}
    stop_at = _last(downs, ("stopping",), gone) or gone
    parts = {"stop_s": gone - stop_at, "between_s": start_at - gone, "start_s": ready - start_at}
    rounded = {name: round(seconds, 3) for name, seconds in parts.items()}
    return {"gap_s": round(ready - stop_at, 3), "from": iso(stop_at), "until": iso(ready), **rounded}


def _last(events: list[tuple[str, float]], names: tuple[str, ...], until: float) -> float | None:
    """When the last of these events was, until then."""
    return next((at for name, at in reversed(events) if name in names and at <= until), None)


def life(unit: str) -> list[tuple[str, float]]:
    """What PID 1 logged about a unit, in order: (event, Unix time)."""
    fields = [f"UNIT={unit}", *(f"MESSAGE_ID={message}" for message in EVENTS)]
    options = ["-o", "json", "--output-fields=MESSAGE_ID,UNIT", "-n", "200"]
    done = process.run_or_fail(["journalctl", *options, "_PID=1", *fields], deadline_s=JOURNALCTL_S)
    entries = [json.loads(line) for line in done.stdout.splitlines()]
    return [(EVENTS[entry["MESSAGE_ID"]], int(entry["__REALTIME_TIMESTAMP"]) / 1e6) for entry in entries]
