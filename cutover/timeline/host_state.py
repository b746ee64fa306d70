"""On which version each host is, as far as the journal knows: the one rule, live on the console and afterwards in report and record."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Self

from cutover.journal.record import Record
from cutover.plan.phases import COMMITTING, SERVES

COMMITS = {phase.name for phase in COMMITTING}
V1, V2, UNKNOWN = "V1", "V2", "unknown"


class Place(StrEnum):
    """Where a host is, in words."""

    UNTOUCHED = "on V1, untouched"
    ALREADY = "on V2 already"
    BETWEEN = "not known"
    SERVING = "on V2, not confirmed"  # it goes back by itself when nothing more is heard of the run
    CONFIRMED = "on V2"
    BACK = "back on V1"
    LEFT = "needs a person"

    @property
    def version(self) -> str:
        """The version in service."""
        return _VERSIONS.get(self, UNKNOWN)


_VERSIONS = {
    Place.UNTOUCHED: V1,
    Place.BACK: V1,
    Place.ALREADY: V2,
    Place.SERVING: V2,
    Place.CONFIRMED: V2,
}


class Whereabouts:
    """Takes the records of a run one by one."""

    def __init__(self) -> None:
        self._places: dict[str, Place] = {}

    @classmethod
    def of(cls, records: Iterable[Record]) -> Self:
        """Where a whole journal leads to."""
        whereabouts = cls()
        for record in records:
            whereabouts.take(record)
        return whereabouts

    def place(self, host: str) -> Place:
        """Where a host is."""
        return self._places.get(host, Place.UNTOUCHED)

    def take(self, record: Record) -> None:
        """Take one more record in; only few move a host."""
        data = record.data
        if record.kind == "plan.made":
            self._put(data["hosts"], Place.UNTOUCHED)
            self._put(data.get("already", ()), Place.ALREADY)
        elif record.kind == "intent" and record.phase in COMMITS:
            if self.place(record.host).version != V2:  # judging V2 in service does not take it out of service
                self._put([record.host], Place.BETWEEN)
        elif record.kind == "gate" and record.phase == SERVES.name and data["opens"]:
            self._put(data["hosts"], Place.SERVING)
        elif record.kind == "confirmed":
            self._put(data["hosts"], Place.CONFIRMED)
        elif record.kind == "rollback.started":
            self._put(data["hosts"], Place.BETWEEN)
        elif record.kind == "rollback.finished":
            self._put(data["hosts"], Place.BACK)
            self._put(data["failed"], Place.LEFT)
        elif record.kind == "run.finished":  # nobody confirms any more what was not confirmed until here
            self._put([host for host, place in self._places.items() if place is Place.SERVING], Place.BETWEEN)

    def _put(self, hosts: Iterable[str], place: Place) -> None:
        self._places.update(dict.fromkeys(hosts, place))
