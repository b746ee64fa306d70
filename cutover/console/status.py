"""What each host is at, for `status`: which version is in service, who holds the host, an armed revert, its last run."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from cutover.console.text import ago, joined, short, text

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

State = Mapping[str, Any]


def status_view(statuses: Mapping[str, State], silent: Sequence[str] = (), now: datetime | None = None) -> "Table":
    """One row a host, also of those that could not be asked.

    Each status is the agent's (lease, revert, runs) with `facts`, where units and links are among what was read.
    """
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    moment_now = now or datetime.now(UTC)
    table = Table(box=SIMPLE_HEAD, padding=(0, 2, 0, 0), show_edge=False, pad_edge=False, header_style="bold")
    for column in ("host", "in service", "held by", "own revert", "last run"):
        table.add_column(column, overflow="fold")
    for host, status in statuses.items():
        table.add_row(
            text(host),
            _service(status),
            _lease(status["lease"], moment_now),
            _revert(status["revert"], moment_now),
            _last_run(status, moment_now),
        )
    for host in silent:
        table.add_row(text(host), text("not known: see below", "bold red"))
    return table


def in_service(facts: Mapping[str, State]) -> list[str]:
    """The versions whose unit is active, by the name of the fact."""
    return [name.upper() for name, fact in facts.items() if "unit" in fact and fact.get("active") == "active"]


def _service(status: State) -> "Text":
    """The active version first; then how each unit stands, so that an enabled one that is not active is seen."""
    facts: Mapping[str, State] = status.get("facts", {})
    active = in_service(facts)
    style = "green" if len(active) == 1 else "bold red"
    lines = [text(" and ".join(active) or "none", style)]
    for name, fact in facts.items():
        if "unit" in fact:
            odd = (fact.get("active") == "active") is not (fact.get("enabled") == "enabled")
            lines.append(
                text(
                    f"{name.upper()} {fact.get('active', 'unknown')}, {fact.get('enabled', 'unknown')}",
                    "yellow" if odd else "dim",
                )
            )
        elif fact.get("type") == "link":
            lines.append(text(f"{name}: {str(fact.get('target')).rpartition('/')[2]}", "dim"))
    return joined(lines)


def _lease(lease: State, now: datetime) -> "Text":
    if lease["held"]:
        return text(
            f"{lease['holder']}\nrun {lease['run']}\nsince {ago(lease['taken_at'], now)}, ends in {short(lease['seconds_left'])}"
            f"\nnonce {lease['nonce']}",
            "yellow",
        )
    if lease["run"] and not lease["released"]:
        return text(f"nobody: the lease of run {lease['run']} ended by itself", "dim")
    return text("nobody", "dim")


def _revert(revert: State, now: datetime) -> "Text":
    if not revert["armed"]:
        return text("none", "dim")
    return text(
        f"ARMED by run {revert['run']} {ago(revert['armed_at'], now)}: goes back after {revert['confirm_s']:g} s of silence",
        "bold yellow",
    )


def _last_run(status: State, now: datetime) -> "Text":
    if not status["runs"]:
        return text("none", "dim")
    newest = status["runs"][0]
    lines = [text(newest["run"])]
    if ended := newest.get("state"):
        at = f", {ago(ended['at'], now)}" if "at" in ended else ""
        lines.append(text(f"{ended.get('status', 'unknown')}{at}"))
    if reverted := newest.get("reverted"):
        complete = "went back by itself" if reverted["ok"] else "went back by itself, NOT complete"
        lines.append(text(f"{complete}, {ago(reverted['at'], now)}", "yellow" if reverted["ok"] else "bold red"))
    if owed := status.get("owed"):
        lines.append(text(owed, "bold red"))
    return joined(lines)
