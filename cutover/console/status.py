"""What each host is at, for `status`: which release is in service, who holds the host, an armed revert, its last run."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.table import Table
from rich.text import Text

from cutover.console.text import ago, joined, plain_table, short, text

State = Mapping[str, Any]


def status_view(statuses: Mapping[str, State], silent: Sequence[str] = (), now: datetime | None = None) -> Table:
    """One row a host, also of those that could not be asked.

    Each status is the agent's (lease, revert, runs) with `facts`, where units and links are among what was read, and `labels`:
    what the units of those facts are called.
    """
    at = now or datetime.now(UTC)
    table = plain_table("host", "in service", "held by", "own revert", "last run")
    for host, status in statuses.items():
        cells = (_lease(status["lease"], at), _revert(status["revert"], at), _last_run(status, at))
        table.add_row(text(host), _service(status["facts"], status["labels"]), *cells)
    for host in silent:
        table.add_row(text(host), text("unknown: see below", "bold red"))
    return table


def _service(facts: Mapping[str, State], labels: Mapping[str, str]) -> Text:
    """The active release first; then the state of each unit, so that an enabled one that is not active is seen."""
    units = {labels.get(name, name): fact for name, fact in facts.items() if "unit" in fact}
    active = [name for name, fact in units.items() if fact.get("active") == "active"]
    lines = [text(" and ".join(active) or "none", "green" if len(active) == 1 else "bold red")]
    for name, fact in units.items():
        odd = (fact.get("active") == "active") is not (fact.get("enabled") == "enabled")
        state = f"{name} {fact.get('active', 'unknown')}, {fact.get('enabled', 'unknown')}"
        lines.append(text(state, "yellow" if odd else "dim"))
    links = {name: str(fact.get("target")) for name, fact in facts.items() if fact.get("type") == "link"}
    return joined([*lines, *(text(f"{name}: {to.rpartition('/')[2]}", "dim") for name, to in links.items())])


def _lease(lease: State, now: datetime) -> Text:
    if lease["held"]:
        since = f"since {ago(lease['taken_at'], now)}, ends in {short(lease['seconds_left'])}"
        return text(f"{lease['holder']}\nrun {lease['run']}\n{since}\nnonce {lease['nonce']}", "yellow")
    expired = lease["run"] and not lease["released"]
    return text(f"nobody: the lease of run {lease['run']} expired" if expired else "nobody", "dim")


def _revert(revert: State, now: datetime) -> Text:
    if not revert["armed"]:
        return text("none", "dim")
    armed = f"ARMED by run {revert['run']} {ago(revert['armed_at'], now)}"
    return text(f"{armed}: reverts after {revert['confirm_s']:g} s without the run", "bold yellow")


def _last_run(status: State, now: datetime) -> Text:
    if not status["runs"]:
        return text("none", "dim")
    newest = status["runs"][0]
    lines = [text(newest["run"])]
    if ended := newest.get("state"):
        at = f", {ago(ended['at'], now)}" if "at" in ended else ""
        lines.append(text(f"{ended.get('status', 'unknown')}{at}"))
    if reverted := newest.get("reverted"):
        what = "reverted by itself" if reverted["ok"] else "reverted by itself, NOT completely"
        lines.append(text(f"{what}, {ago(reverted['at'], now)}", "yellow" if reverted["ok"] else "bold red"))
    if owed := status.get("owed"):
        lines.append(text(owed, "bold red"))
    return joined(lines)
