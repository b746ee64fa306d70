"""Hosts that could not be rolled back when the others were. Kept on this machine until they are."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cutover.agent.durable import read_json, write_json
from cutover.core.errors import Problem
from cutover.journal.journal import utc_now


@dataclass(frozen=True)
class PendingRollback:
    """One host with a pending rollback: of which run, since when, and why it was not rolled back with the others."""

    host: str
    run: str
    since: str
    found: str

    def problem(self) -> Problem:
        """As a problem to show."""
        found = f"its rollback of run {self.run} is pending since {self.since}: {self.found}"
        next_ = f"`./invokew rollback --hosts {self.host}` once it can be reached"
        return Problem(host=self.host, found=found, next=next_)


@dataclass(frozen=True)
class PendingRollbacks:
    """The pending rollbacks of one service in one environment: only that service's status on a host can settle them."""

    path: Path

    def all(self) -> dict[str, PendingRollback]:
        """What is pending, by host."""
        return {host: PendingRollback(host, **one) for host, one in (read_json(self.path) or {}).items()}

    def add(self, run: str, problems: Iterable[Problem]) -> None:
        """Add hosts; one that is there already keeps its date."""
        new = {one.host: PendingRollback(one.host, run, utc_now(), one.found) for one in problems if one.host}
        if new:
            self._write(new | self.all())

    def remove(self, hosts: Iterable[str]) -> None:
        """Remove hosts."""
        known, done = self.all(), set(hosts)
        if done & set(known):
            self._write({host: one for host, one in known.items() if host not in done})

    def _write(self, known: dict[str, PendingRollback]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        entries = {host: {"run": one.run, "since": one.since, "found": one.found} for host, one in known.items()}
        write_json(self.path, entries)


def pending_rollbacks(root: Path, environment: str, service: str) -> PendingRollbacks:
    """Those of a service in an environment, in a checkout."""
    return PendingRollbacks(root / ".cutover" / "pending_rollbacks" / environment / f"{service}.json")
