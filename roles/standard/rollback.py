"""Back to the old release: the new one ends, files and units come back byte for byte, what it wrote is kept, the old one runs.

Each step looks first. The old unit never starts while a process of the new one is left, and needs nothing but its files: where what the
new release wrote cannot be kept (a full disk), the state stays as it is, the old unit starts all the same, and the report says so. State
is restored only where the last snapshot was taken (before that the new release cannot have run, and an older snapshot would lose what the
old one wrote in between), once, and never while the old unit runs, which has written since: a later try that meets it in service leaves
the state as it is for good, and the host is settled with that listed.
"""

from typing import Any

from cutover.agent.clock import FOREVER_S
from cutover.core.step import Step
from cutover.plan.roles import RoleContext
from cutover.plan.steps import http, probe, restore, snapshot, unit_files_read, unit_started, unit_stopped

NEW_GONE = ("rollback.new",)
LOG_LINES = 5000  # of the new release's journal


def steps(role: RoleContext) -> list[Step]:
    """Stop the new unit, keep what it wrote, restore the old one's files and state, start it, measure."""
    new = role.service.new
    ended = unit_stopped(
        "rollback.new",
        new.unit,
        timeout_s=new.stop_within,
        force=True,
        next=f"{role.new} cannot be ended: systemctl kill -s KILL {new.unit}; {role.old} was not started beside it",
    )
    return [ended, *_files_back(role), *_state_back(role), *_start_old(role), *_measure(role)]


def _files_back(role: RoleContext) -> list[Step]:
    """The new release's files and unit are kept, then the old one's files, units and link come back, and systemd reads them."""
    service, place = role.service, role.backup
    old, new = service.old.unit, service.new.unit
    files = [
        {"name": file.name, "kind": "file", "source": file.path, "as": f"files/{file.name}"} for file in service.files
    ]
    unit = {"name": "new-unit", "kind": "file", "source": f"{service.unit_dir}/{new}", "as": new}
    return [
        snapshot(
            "rollback.keep-files",
            f"{place}/new_kept_files",
            role.run.id,
            [*files, unit],
            needs=NEW_GONE,
            next=f"check the disk: files and unit of {role.new} were not kept; the plan has them",
        ),
        restore(
            "rollback.files",
            place,
            role.run.id,
            role.files_and_units,
            needs=NEW_GONE,
            next=f"restore the files of {place} by hand",
        ),
        unit_files_read("rollback.units-read", [old, new], needs=("rollback.files",)),
    ]


def _state_back(role: RoleContext) -> list[Step]:
    """What the new release wrote is kept, then the old one's last state comes back: once, and never while the old unit runs."""
    service, place, run = role.service, role.backup, role.run.id
    old, new = service.old.unit, service.new.unit
    log = ["journalctl", "--no-pager", "-o", "short-iso-precise", "-n", str(LOG_LINES), "-u", new]
    kept: list[dict[str, Any]] = [
        *({"name": entry.name, "kind": "tree", "source": entry.path, "as": entry.name} for entry in service.state),
        {"name": "new-log", "kind": "output", "argv": log, "as": "new.log"},
    ]
    keep = snapshot(
        "rollback.keep",
        f"{place}/new_kept",
        run,
        kept,
        reuse=f"{place}/final",
        not_while=old,
        within_s=role["cutover_rollback_budget_s"] / 4,  # it is read back as well, and the old release is to start
        needs=NEW_GONE,
        next=f"what {role.new} wrote was not kept, and is still among what {role.old} wrote: look it through; {place}/final has"
        f" the state of {role.old}",
    )
    if not service.restored:
        return [keep]
    back = restore(
        "rollback.state",
        f"{place}/final",
        run,
        [entry.snapshot for entry in service.restored],
        unless=f"{role.state_dir}/runs/{run}/batches/activation-*",
        not_while=old,
        needs=(*NEW_GONE, "rollback.keep"),
        next=f"the state is as {role.old} found it; what is missing of it is in {place}/final",
    )
    return [keep, back]


def _start_old(role: RoleContext) -> list[Step]:
    """The old unit starts, and says that it is healthy. It needs the new one gone and its files back, and nothing else."""
    old = role.service.old
    # Where it was asked to stop and is still stopping, systemd starts it afterwards.
    stop_s = role.facts["old"].get("stop_timeout_s", FOREVER_S)
    start_s = stop_s + (old.health.within if old.health else 30.0)
    started = unit_started(
        "rollback.old",
        old.unit,
        timeout_s=float(min(start_s, role["cutover_rollback_budget_s"])),
        leave=True,
        needs=(*NEW_GONE, "rollback.files"),
        next=f"{role.old} is not up (yet; its start was not undone): journalctl -u {old.unit}",
    )
    if old.health is None:
        return [started]
    healthy = http(
        "rollback.old-healthy",
        old.health.url,
        old.health.answer,
        wait_s=old.health.within,
        words=f"health of {role.old}",
        unit=old.unit,
        needs=("rollback.old",),
        next=f"{role.old} runs but is not healthy: journalctl -u {old.unit}",
    )
    return [started, healthy]


def _measure(role: RoleContext) -> list[Step]:
    """How long the old release, and how long any, was out of service."""
    old, new = role.service.old.unit, role.service.new.unit

    def gap(name: str, words: str, stopped: str) -> Step:
        return probe(name, "gap", words, {}, args={"stopped": stopped, "started": old}, needs=("rollback.old",))

    return [
        gap("rollback.away", f"time without {role.old}", old),
        gap("rollback.outage", "outage of the rollback", new),
    ]
