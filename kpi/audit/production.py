"""What of the trail is production: the events of the service and of delivered tapes, counted on through sealed parts.

Neither those of canaries, which the tool sends itself and which would make a silent service look busy, nor those of the trail's
own keeping. The record that opens a part says what there was before it.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from kpi import clock
from kpi.audit.records import ENDS, GAP, OPENED, TORN, Record
from kpi.committed import CANARY

KEPT = "production"


@dataclass(frozen=True)
class Production:
    """How many events there were, how many runs of tapes ended with them, and when the last was recorded (empty: never)."""

    events: int = 0
    runs: int = 0
    last_at: str = ""

    def and_then(self, records: Sequence[Record]) -> "Production":
        """With the records that came after."""
        own = [record for record in records if is_production(record)]
        last_at = own[-1]["at"] if own else self.last_at
        return Production(self.events + len(own), self.runs + sum(map(is_production_end, own)), last_at)

    def as_details(self) -> dict[str, Any]:
        """As the record that opens a part keeps it."""
        return {KEPT: asdict(self)}


def production(records: Sequence[Record]) -> Production:
    """What the trail has seen of production, by the records of its newest part."""
    openings = [at for at, record in enumerate(records) if record["event"] == OPENED]
    newest = records[openings[-1] :] if openings else records
    return (_kept(newest[0]) if openings else Production()).and_then(newest)


def _kept(opening: Record) -> Production:
    """What there was before a part; nothing where its first record was edited, which the chain then says."""
    kept = opening["details"].get(KEPT)
    try:
        last_at = clock.stamp(clock.parse(kept["last_at"])) if kept["last_at"] else ""
        return Production(int(kept["events"]), int(kept["runs"]), last_at)
    except (KeyError, TypeError, ValueError):
        return Production()


def is_production(record: Record) -> bool:
    """Whether a record is of the service or of a delivered tape."""
    if record["event"] in (OPENED, GAP, TORN):
        return False
    details = record["details"]
    return not details.get("canary") and not str(details.get("tape", "")).startswith(CANARY)


def is_production_end(record: Record) -> bool:
    """Whether a run on a production tape ended with this record, accepted or not."""
    return record["event"] in ENDS and is_production(record)
