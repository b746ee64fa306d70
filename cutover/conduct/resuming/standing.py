"""Where a run stands on each host: by what the host remembers of it, and by this machine's journal where there is one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cutover.conduct.commit import CONFIRMED, Reached
from cutover.conduct.resuming.history import Known
from cutover.decide.phases import COMMITTING
from cutover.words.record import Record

COMMITS = [phase.name for phase in COMMITTING]


@dataclass(frozen=True)
class Standing:
    """One run: its plan, what its hosts say, and the records of its journal on this machine (none where it began elsewhere)."""

    known: Known
    records: Sequence[Record] = ()

    def begun(self, host: str) -> list[str]:
        """Which of the phases 3-5 were begun on a host, in their order."""
        seen = {record.phase for record in self.records if record.kind == "intent" and record.host == host}
        seen.update(batch.rpartition("-")[0] for batch in (self.known.entry(host) or {"batches": ()})["batches"])
        return [phase for phase in COMMITS if phase in seen]

    @property
    def touched(self) -> tuple[str, ...]:
        """Hosts on which phases 3-5 were begun, or that were armed for it, in the order of the plan."""
        known = set(self.known.touched)
        return tuple(host for host in self.known.plans if host in known or self.begun(host))

    @property
    def back(self) -> tuple[str, ...]:
        """Hosts that have gone back already, as far as they say themselves."""
        return tuple(host for host in self.known.plans if self.known.is_back(host))

    @property
    def reverted(self) -> Mapping[str, str]:
        """Hosts that went back by themselves, whether or not they are done with it, and when."""
        entries = {host: self.known.entry(host) or {} for host in self.known.plans}
        return {host: entry["reverted"]["at"] for host, entry in entries.items() if entry.get("reverted")}

    @property
    def going_back(self) -> tuple[str, ...]:
        """Hosts on which a rollback was begun, by the hosts and by the journal."""
        told = {host for record in self.records if record.kind == "rollback.started" for host in record.data["hosts"]}
        return tuple(host for host in self.known.plans if host in told or self.known.rolled_back(host))

    @property
    def confirmed(self) -> bool:
        """Whether the last gate of the last batch was passed, and every host has been told."""
        if any(record.kind == "confirmed" for record in self.records):
            return True
        states = [(self.known.entry(host) or {}).get("state") or {} for host in self.known.plans]
        return all(state.get("status") == CONFIRMED for state in states) and not self.reverted

    @property
    def confirming(self) -> bool:
        """Whether the last gate of the last batch was passed, so that hosts were being told, or had been."""
        states = [(self.known.entry(host) or {}).get("state") or {} for host in self.known.plans]
        told = any(state.get("status") == CONFIRMED for state in states)
        return told or any(record.kind == "confirming" for record in self.records)

    def reached(self) -> Reached:
        """The last batch and phase that were begun; all before that was gated. It is done again: every step looks first."""
        if self.confirming:
            return Reached(len(self.known.plan.batches))
        begun = [
            (number, COMMITS.index(phases[-1]))
            for number, hosts in enumerate(self.known.plan.batches)
            for host in hosts
            if (phases := self.begun(host))
        ]
        return Reached(*max(begun, default=(0, 0)))
