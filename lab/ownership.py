"""What belongs to a lab: nothing of somebody else's is used, stopped or removed.

A state directory carries a mark. A record in /run has the names of all labs of this machine, and what is to be put back when the
last one goes: two kernel limits and two directories. Some twenty hosts use up the kernel's default of inotify instances, and the
next one's PID 1 dies without a message.
"""

import json
import os
import shlex
import shutil
from dataclasses import asdict, dataclass, field, replace
from ipaddress import IPv4Network
from pathlib import Path

from cutover.core.errors import Problem, UsageError
from lab import host, network
from lab.settings import Lab
from lab.system import hold, refuse_mounted, remove_tree, unmount_below

_MARK = ".cutover-lab"
_MARK_TEXT = "Made by lab.up; lab.down removes this directory with everything in it.\n"
_LIMITS = {"fs/inotify/max_user_instances": 8192, "kernel/keys/maxkeys": 20000}
_DIRECTORIES = ("/run/netns", "/run/systemd/nspawn")  # made by ip and systemd-nspawn when they run first
_HOME = Path("/run/cutover-labs")
_PROC = Path("/proc/sys")


def require(lab: Lab) -> None:
    """UsageError with everything in the lab's place that belongs to somebody else, before anything is touched."""
    if found := problems(lab):
        raise UsageError(found)


def problems(lab: Lab) -> tuple[Problem, ...]:
    """Everything in the lab's place that belongs to somebody else."""
    others = _conflicts(_claim(lab), _read()) or _unrecorded(lab)
    return (*_foreign_files(lab.state), *others)


# The mark on the state directory


def is_marked(place: Path) -> bool:
    """Whether a lab made the directory, or was given it empty."""
    return (place / _MARK).is_file()


def mark(place: Path) -> None:
    """Mark an empty directory as a lab's, before anything else comes into it."""
    if found := _foreign_files(place):
        raise UsageError(found)
    (place / _MARK).write_text(_MARK_TEXT)


def remove_marked(place: Path) -> None:
    """Remove a marked directory, the mark last: lab.down can be repeated after an interruption. A mount point stays, empty."""
    others = [path for path in place.iterdir() if path.name != _MARK]
    refuse_mounted(*others)  # before the first of them goes
    for path in others:
        remove_tree(path)
    (place / _MARK).unlink(missing_ok=True)
    if not os.path.ismount(place):
        place.rmdir()


def _foreign_files(place: Path) -> tuple[Problem, ...]:
    if not place.exists() or is_marked(place):
        return ()
    if not place.is_dir():
        found = "not a directory"
    elif any(place.iterdir()):
        found = f"not empty, and no lab made it (no {_MARK} in it)"
    else:
        return ()
    next_ = "set CUTOVER_LAB_DIR to an empty or new directory, since lab.down removes everything in it"
    return (Problem(path=str(place), found=found, next=next_),)


# The record of all labs


Claim = dict[str, str]  # what one lab has for itself alone: prefix, network, state


@dataclass(frozen=True)
class LabRecord:
    """The labs that exist, and what is to be put back when the last one goes."""

    labs: list[Claim] = field(default_factory=list)
    limits: dict[str, dict[str, int]] = field(default_factory=dict)  # `was` before the first lab, `ours` since then
    made: list[str] = field(default_factory=list)  # directories


def is_recorded(lab: Lab) -> bool:
    """Whether exactly this lab is on record."""
    return _claim(lab) in _read().labs


def record(lab: Lab) -> None:
    """Put the lab on record and raise limits that are too low; UsageError when another lab has its names, network or directory."""
    mine = _claim(lab)
    with hold(_HOME, wait=True):
        before = _read()
        if found := _conflicts(mine, before):
            raise UsageError(found)
        limits = dict(before.limits)
        for name, wanted in _LIMITS.items():
            if (now := int((_PROC / name).read_text())) < wanted:
                limits[name] = {"was": now, "ours": wanted}
                (_PROC / name).write_text(f"{wanted}\n")
        made = before.made or [place for place in _DIRECTORIES if not Path(place).exists()]
        labs = before.labs if mine in before.labs else [*before.labs, mine]
        _write(LabRecord(labs, limits, made))


def forget(lab: Lab) -> None:
    """Take this lab off the record; after the last one, put back what is still as labs set it."""
    if not _HOME.exists():
        return
    with hold(_HOME, wait=True):
        now = _read()
        if labs := [claim for claim in now.labs if claim != _claim(lab)]:
            _write(replace(now, labs=labs))
            return
        for name, limit in now.limits.items():
            if int((_PROC / name).read_text()) == limit["ours"]:  # another value is somebody else's, set since
                (_PROC / name).write_text(f"{limit['was']}\n")
        for place in map(Path, now.made):
            if place.exists() and all(path.is_dir() for path in place.rglob("*")):  # nobody else uses it
                unmount_below(place)  # ip mounts /run/netns on itself
                remove_tree(place)
        shutil.rmtree(_HOME)


def _claim(lab: Lab) -> Claim:
    return {"prefix": lab.prefix, "network": str(lab.network), "state": str(lab.state)}


def _conflicts(mine: Claim, now: LabRecord) -> tuple[Problem, ...]:
    problems = []
    for other in now.labs:
        both = {
            f"names {mine['prefix']}-*": mine["prefix"] == other["prefix"],
            f"network {mine['network']}": IPv4Network(mine["network"]).overlaps(IPv4Network(other["network"])),
            f"directory {mine['state']}": mine["state"] == other["state"],
        }
        if other != mine and any(both.values()):
            found = f"{' and '.join(name for name, same in both.items() if same)} in use by the lab in {other['state']}"
            problems.append(Problem(path=mine["state"], found=found, next=_way_out(other)))
    return tuple(problems)


def _way_out(other: Claim) -> str:
    if other["prefix"] != Lab.prefix:
        return "it is a lab of the tests or of the bench: wait until they have ended"
    chosen = "" if other["state"] == str(Lab.state) else f"CUTOVER_LAB_DIR={shlex.quote(other['state'])} "
    own = f"set CUTOVER_LAB_DIR to {other['state']}" if chosen else "unset CUTOVER_LAB_DIR"
    return f"{own} to work with that lab; `{chosen or 'CUTOVER_LAB_DIR= '}./invokew lab.down` removes it"


def _unrecorded(lab: Lab) -> tuple[Problem, ...]:
    """What has this lab's names although no lab made it: the record is written before the first, and ends with the machine as they do."""
    if is_recorded(lab):
        return ()
    stored = host.stored(lab)
    names = [lab.slot(number).machine for number in sorted(host.numbers(lab) - stored)]
    if network.bridge_exists(lab) and not stored:
        names.append(lab.bridge)
    found = "a link, network namespace or control group has this name, and no lab on record made it"
    next_ = "remove it by hand (`ip link del`, `ip netns del`, rmdir of the control group), or restart the machine"
    return tuple(Problem(path=name, found=found, next=next_) for name in names)


def _read() -> LabRecord:
    try:
        return LabRecord(**json.loads((_HOME / "record.json").read_text()))
    except FileNotFoundError:  # there is no lab, or the last one is just going
        return LabRecord()


def _write(now: LabRecord) -> None:
    """Atomically: it is also read without the lock."""
    fresh = _HOME / "record.new"
    fresh.write_text(json.dumps(asdict(now)))
    fresh.replace(_HOME / "record.json")
