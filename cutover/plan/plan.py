"""A plan: every step on every host, frozen before anything is changed. Only a plan is ever applied."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from cutover.agent.durable import write_json
from cutover.core.errors import Problem, UsageError
from cutover.core.step import State, Step
from cutover.plan.phases import Phase
from cutover.plan.service import Service

SCHEMA = 1
ANEW = "make a new one with `./invokew plan`"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PlannedFile(_Frozen):
    """A file's content as the plan shows it; `masked` means that secrets stand in it as digests only."""

    text: str
    masked: bool


class Change(_Frozen):
    """What a step finds on the host at planning: nothing to do, or what differs."""

    step: str
    differences: tuple[str, ...]


class FileDiff(_Frozen):
    """A file that will be written: its diff against the one that it replaces, as lines and as keys."""

    path: str
    against: str
    lines: str
    keys: tuple[str, ...]


class HostPlan(_Frozen):
    """The plan of one host: how to reach it (Host.reached), its service, facts, steps by phase, and what they will change."""

    name: str
    address: str
    service: Service
    variables: dict[str, Any]
    facts: dict[str, State]
    steps: dict[str, tuple[Step, ...]]
    changes: tuple[Change, ...]
    diffs: tuple[FileDiff, ...]

    def of(self, phase: Phase) -> tuple[Step, ...]:
        """The steps of one phase."""
        return self.steps[phase.name]


class ReleasePlan(_Frozen):
    """The release that the plan activates: id, and the artifact that brings it, by digest."""

    id: str
    sha256: str
    artifact: str
    size: int


class ServicePlan(_Frozen):
    """The service that the plan is about: its role's name, its title, and what people call its two releases (V1, V2)."""

    name: str
    title: str
    old: str
    new: str


class Plan(_Frozen):
    """What will be done, where, in which order."""

    schema_version: int = SCHEMA
    run: str
    service: ServicePlan
    stamp: str
    created_at: str
    created_by: str
    environment: str
    pattern: str
    batches: tuple[tuple[str, ...], ...]
    release: ReleasePlan
    hosts: dict[str, HostPlan]
    files: dict[str, PlannedFile]

    @cached_property
    def fingerprint(self) -> str:
        """What is approved: the digest over everything in the plan, which is frozen; a copy with other parts has its own."""
        document = self.model_dump(mode="json")
        return hashlib.sha256(json.dumps(document, sort_keys=True, separators=(",", ":")).encode()).hexdigest()

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> "Plan":
        """Copy it, and never the fingerprint, which is about what is in it."""
        copy = super().model_copy(update=update, deep=deep)
        copy.__dict__.pop("fingerprint", None)
        return copy

    def of_host(self, name: str) -> "Plan":
        """What one host keeps of it, so that any machine can go back from there."""
        return self.model_copy(update={"hosts": {name: self.hosts[name]}})

    def save(self, path: Path) -> None:
        """Write the plan with its fingerprint, whole and on disk; never over another one."""
        if not path.exists():
            write_json(path, {"fingerprint": self.fingerprint, **self.model_dump(mode="json")}, mode=0o400)
        elif load(path).fingerprint != self.fingerprint:
            next_ = "a plan is never written over: make a new run"
            raise UsageError(Problem("another plan is there", next_, path=str(path)))


def load(path: Path) -> Plan:
    """Read a plan back and refuse one whose content is not what its fingerprint was made of."""
    try:
        document = json.loads(path.read_text())
        fingerprint = document.pop("fingerprint")
        plan = Plan.model_validate(document)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as unusable:  # ValidationError is a ValueError
        raise UsageError(Problem(f"not a plan: {unusable}", ANEW, path=str(path))) from unusable
    if plan.fingerprint != fingerprint:
        found = f"its fingerprint is {plan.fingerprint[:12]}, it says {fingerprint[:12]}: it was edited"
        raise UsageError(Problem(found, ANEW, path=str(path)))
    return plan


def joined(parts: Sequence[Plan]) -> Plan:
    """The plan put together again from what the hosts kept of it."""
    return parts[0].model_copy(update={"hosts": {name: host for part in parts for name, host in part.hosts.items()}})


def batches(hosts: Sequence[str], serial: str) -> tuple[tuple[str, ...], ...]:
    """Split hosts as Ansible's serial does: counts or percentages, the last one repeated until all are in."""
    sizes = [_size(part.strip(), len(hosts), serial) for part in serial.split(",")]
    found: list[tuple[str, ...]] = []
    start = 0
    while start < len(hosts):
        size = sizes[min(len(found), len(sizes) - 1)]
        found.append(tuple(hosts[start : start + size]))
        start += size
    return tuple(found)


def _size(part: str, total: int, serial: str) -> int:
    number = part.removesuffix("%")
    if not (number.isascii() and number.isdecimal()) or int(number) < 1 or (part.endswith("%") and int(number) > 100):
        next_ = "give counts and percentages of at least 1, such as 1,50%,100%"
        raise UsageError(Problem(f"`{part}` in `{serial}`", next_, path="--serial"))
    return max(1, total * int(number) // 100) if part.endswith("%") else int(number)
