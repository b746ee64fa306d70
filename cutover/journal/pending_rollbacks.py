"""Rollbacks that are owed: hosts that could not be taken back when the others were. Kept on this machine until they are settled."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cutover.agent.durable import read_json, write_json
from cutover.core.errors import Problem
from cutover.journal.journal import utc_now


@dataclass(frozen=True)
class Owed:
    """One host that is owed a rollback: of which run, since when, and why it did not go back with the others."""

    host: str
    run: str
    since: str
    found: str

    def problem(self) -> Problem:
        """As a problem to show."""
        found = f"it is owed a rollback of run {self.run} since {self.since}: {self.found}"
        return Problem(
            host=self.host, found=found, next=f"`./invokew rollback --hosts {self.host}` once it can be reached"
        )


@dataclass(frozen=True)
class OwedBook:
    """The owed rollbacks of one environment."""

    path: Path

    def all(self) -> dict[str, Owed]:
        """What is owed, by host."""
        return {host: Owed(host, **one) for host, one in (read_json(self.path) or {}).items()}

    def owe(self, run: str, problems: Iterable[Problem]) -> None:
        """Write hosts down; one that is there already keeps its date."""
        known = self.all()
        for problem in problems:
            if problem.host and problem.host not in known:
                known[problem.host] = Owed(problem.host, run, utc_now(), problem.found)
        self._write(known)

    def settle(self, hosts: Iterable[str]) -> None:
        """Take hosts out."""
        known, done = self.all(), set(hosts)
        if done & set(known):
            self._write({host: one for host, one in known.items() if host not in done})

    def _write(self, known: dict[str, Owed]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_json(
            self.path,
            {host: {"run": one.run, "since": one.since, "found": one.found} for host, one in sorted(known.items())},
        )


def book_of(root: Path, environment: str) -> OwedBook:
    """The book of an environment in a checkout."""
    return OwedBook(root / ".cutover" / "owed" / f"{environment}.json")
