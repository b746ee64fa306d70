"""Which release each host is on, as far as the journal knows: the one rule, live on the console and afterwards in the report."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from cutover.journal.record import Record
from cutover.plan.phases import COMMITTING
from cutover.plan.plan import Plan

COMMITS = {phase.name for phase in COMMITTING}
SERVES = COMMITTING[1].name  # the phase after whose gate the new release is in service


@dataclass(frozen=True)
class Labels:
    """What people call the release that is replaced, and the one that replaces it."""

    old: str = "the old release"
    new: str = "the new release"


class HostState(StrEnum):
    """The state of a host, as text with the labels of the two releases put in."""

    UNTOUCHED = "on {old}, untouched"
    ALREADY = "on {new} already"
    UNKNOWN = "unknown"
    UNCONFIRMED = "on {new}, not confirmed"  # it reverts by itself when it does not hear from the run any more
    CONFIRMED = "on {new}"
    BACK = "back on {old}"
    FAILED = "needs a person"

    def text(self, labels: Labels) -> str:
        """The state in words."""
        return self.format(old=labels.old, new=labels.new)

    def version(self, labels: Labels) -> str:
        """The label of the release in service, or `unknown`."""
        if self.on_new:
            return labels.new
        return labels.old if self in (HostState.UNTOUCHED, HostState.BACK) else str(HostState.UNKNOWN)

    @property
    def on_new(self) -> bool:
        """Whether the new release is in service."""
        return self in (HostState.ALREADY, HostState.UNCONFIRMED, HostState.CONFIRMED)


def labels_of(plan: Plan | None) -> Labels:
    """What people call the two releases; neutral words where there is no plan."""
    return Labels(old=plan.service.old, new=plan.service.new) if plan else Labels()


class HostStates:
    """The states after some records; more can be taken in one by one."""

    def __init__(self, records: Iterable[Record] = ()) -> None:
        self._states: dict[str, HostState] = {}
        for record in records:
            self.take(record)

    def of(self, host: str) -> HostState:
        """The state of a host."""
        return self._states.get(host, HostState.UNTOUCHED)

    def take(self, record: Record) -> None:
        """Take one more record in; only few move a host."""
        data = record.data
        if record.kind == "plan.made":
            self._put(data["hosts"], HostState.UNTOUCHED)
            self._put(data.get("already", ()), HostState.ALREADY)
        elif record.kind == "intent" and record.phase in COMMITS:
            if not self.of(record.host).on_new:  # judging the new release in service does not take it out of service
                self._put([record.host], HostState.UNKNOWN)
        elif record.kind == "gate" and record.phase == SERVES and data["opens"]:
            self._put(data["hosts"], HostState.UNCONFIRMED)
        elif record.kind == "confirmed":
            self._put(data["hosts"], HostState.CONFIRMED)
        elif record.kind == "rollback.started":
            self._put(data["hosts"], HostState.UNKNOWN)
        elif record.kind == "rollback.finished":
            self._put(data["hosts"], HostState.BACK)
            self._put(data["failed"], HostState.FAILED)
        elif record.kind == "run.finished":  # nobody confirms any more what was not confirmed until here
            unconfirmed = [host for host, state in self._states.items() if state is HostState.UNCONFIRMED]
            self._put(unconfirmed, HostState.UNKNOWN)

    def _put(self, hosts: Iterable[str], state: HostState) -> None:
        self._states.update(dict.fromkeys(hosts, state))
