"""A run under way: its hosts, its journal, its leases. What every phase is given."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cutover.conduct.fleet import Fleet
from cutover.conduct.interrupts import StopSignal
from cutover.conduct.times import Times
from cutover.decide.plan import HostPlan
from cutover.world.journal import Journal


@dataclass
class Session:
    """Everything that conducting a run needs. `contents` holds file texts by digest, secrets included, in memory only."""

    root: Path
    run: str
    journal: Journal
    evidence: Path
    fleet: Fleet
    plans: Mapping[str, HostPlan]
    times: Times
    stop: StopSignal
    contents: Mapping[str, str] = field(default_factory=dict)
    artifact: Path | None = None
    tokens: dict[str, int] = field(default_factory=dict)
    nonce: str = field(
        default_factory=lambda: secrets.token_hex(8)
    )  # tells this session's leases from another's of the same run

    @property
    def hosts(self) -> tuple[str, ...]:
        """All hosts of the run, in order."""
        return tuple(self.plans)

    def begun(self, phases: Sequence[str]) -> tuple[str, ...]:
        """Hosts on which any of these phases was begun, by the journal's intents."""
        touched = {record.host for record in self.journal.of("intent") if record.phase in phases}
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
