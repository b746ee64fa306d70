"""A run under way: its hosts, its journal, its leases. What every phase is given."""

import math
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cutover.conduct.fleet import Fleet
from cutover.conduct.interrupts import StopSignal
from cutover.conduct.times import Times
from cutover.decide.plan import HostPlan
from cutover.words.errors import Problem, Refused
from cutover.world.journal import Journal


@dataclass
class Session:
    """Everything that conducting a run needs. `contents` holds file texts by digest, secrets included, in memory only."""

    root: Path
    run: str
    environment: str
    journal: Journal
    evidence: Path
    fleet: Fleet
    plans: Mapping[str, HostPlan]
    times: Times
    stop: StopSignal
    contents: Mapping[str, str] = field(default_factory=dict)
    artifact: Path | None = None
    tokens: dict[str, int] = field(default_factory=dict)
    dead: Mapping[str, str] = field(
        default_factory=dict
    )  # by host, the nonce of a dead holder whose lease is taken over
    inherited: Sequence[str] = ()  # hosts on which an earlier controller of this run began phases 3-5
    ends: float = math.inf  # on time.monotonic(): the deadline of the whole run
    had: set[str] = field(default_factory=set)  # hosts whose lease this session has had
    reverted: dict[str, Any] = field(default_factory=dict)  # by host, how it went back by itself, as it wrote it down
    nonce: str = field(
        default_factory=lambda: secrets.token_hex(8)
    )  # tells this session's leases from another's of the same run

    def __post_init__(self) -> None:
        for agent in self.fleet.agents.values():
            agent.journal_head = lambda: self.journal.head

    def check(self) -> None:
        """A safe place: raise Interrupted if someone asked to stop, Refused when the whole run has taken too long."""
        self.stop.check()
        if time.monotonic() > self.ends:
            found = "the run has taken longer than all its phases together may"
            raise Refused(Problem(found=found, next="see the times in the report; cutover_phase_deadline_s sets them"))

    @property
    def hosts(self) -> tuple[str, ...]:
        """All hosts of the run, in order."""
        return tuple(self.plans)

    def begun(self, phases: Sequence[str]) -> tuple[str, ...]:
        """Hosts on which any of these phases was begun, by the journal's intents and by what earlier controllers left."""
        touched = {record.host for record in self.journal.of("intent") if record.phase in phases}
        touched.update(self.inherited)
        return tuple(host for host in self.hosts if host in touched)

    def token(self, host: str) -> int:
        """The token of a host's lease; 0, which rules nowhere, where the lease is lost."""
        return self.tokens.get(host, 0)

    def lose(self, host: str, token: int, found: str) -> None:
        """A host refused a token: nothing more may be changed there under it. One taken anew meanwhile is kept."""
        if self.tokens.get(host) == token:
            del self.tokens[host]
            self.tell("lease.lost", host=host, found=found)

    def tell(self, kind: str, **data: Any) -> None:
        """Write to the journal."""
        self.journal.write(kind, **data)
