"""What all labs of this machine share: which of them has which names, two kernel limits and two directories.

The limits and directories are given back when the last lab is gone. Some twenty hosts use up the kernel's default of inotify
instances, and the next one's PID 1 dies without a word.
"""

import json
import shlex
import shutil
from dataclasses import asdict, dataclass, field, replace
from ipaddress import IPv4Network
from pathlib import Path

from cutover.core.errors import Problem, UsageError
from lab.lock import hold
from lab.mounts import remove_tree, unmount_below
from lab.settings import Lab

_LIMITS = {"fs/inotify/max_user_instances": 8192, "kernel/keys/maxkeys": 20000}
_DIRECTORIES = ("/run/netns", "/run/systemd/nspawn")  # made by ip and systemd-nspawn when they run first
_HOME = Path("/run/cutover-labs")
_PROC = Path("/proc/sys")


@dataclass(frozen=True)
class Claim:
    """What one lab has for itself alone."""

    prefix: str
    network: str
    state: str

    @classmethod
    def of(cls, lab: Lab) -> "Claim":
        """The claim of a lab."""
        return cls(lab.prefix, str(lab.network), str(lab.state))

    def meets(self, other: "Claim") -> list[str]:
        """What two labs would both have, in words."""
        both = []
        if self.prefix == other.prefix:
            both.append(f"the names {self.prefix}-*")
        if IPv4Network(self.network).overlaps(IPv4Network(other.network)):
            both.append(f"the network {self.network}")
        if self.state == other.state:
            both.append(f"the directory {self.state}")
        return both


@dataclass(frozen=True)
class Limit:
    """A kernel limit: what it was before the first lab, and what we made of it."""

    was: int
    ours: int


@dataclass(frozen=True)
class Shared:
    """The labs that there are, and what is to be put back when the last one goes."""

    labs: tuple[Claim, ...] = ()
    limits: dict[str, Limit] = field(default_factory=dict)
    made: tuple[str, ...] = ()


def problems(lab: Lab) -> tuple[Problem, ...]:
    """The labs that already have a name, the network or the directory of this one."""
    return _conflicts(Claim.of(lab), _read(_record()))


def knows(lab: Lab) -> bool:
    """Whether just this lab is on record."""
    return Claim.of(lab) in _read(_record()).labs


def take(lab: Lab) -> None:
    """Put the lab on record, raise the limits where they are too low, and remember what was there before."""
    mine = Claim.of(lab)
    with hold(_HOME, wait=True):
        before = _read(_record())
        if found := _conflicts(mine, before):
            raise UsageError(found)
        limits = dict(before.limits)
        for name, wanted in _LIMITS.items():
            if (now := _limit(name)) < wanted:
                limits[name] = Limit(now, wanted)
                _set_limit(name, wanted)
        made = before.made or tuple(place for place in _DIRECTORIES if not Path(place).exists())
        _write(Shared(tuple(sorted({*before.labs, mine}, key=lambda claim: claim.prefix)), limits, made))


def give_back(lab: Lab) -> None:
    """Take this lab off the record; after the last one, put back what is still as we made it."""
    if not _HOME.exists():
        return
    with hold(_HOME, wait=True):
        now = _read(_record())
        if labs := tuple(claim for claim in now.labs if claim != Claim.of(lab)):
            _write(replace(now, labs=labs))
            return
        for name, limit in now.limits.items():
            if _limit(name) == limit.ours:  # another value is somebody else's, set since
                _set_limit(name, limit.was)
        for place in now.made:
            _remove_unused(Path(place))
        shutil.rmtree(_HOME)


def _conflicts(mine: Claim, record: Shared) -> tuple[Problem, ...]:
    return tuple(
        Problem(path=mine.state, found=f"the lab in {other.state} has {' and '.join(both)}", next=_way_out(other))
        for other in record.labs
        if other != mine and (both := mine.meets(other))
    )


def _way_out(other: Claim) -> str:
    if other.prefix != Lab.prefix:
        return "it is a lab of the tests or of the bench: wait until they have ended"
    chosen = "" if other.state == str(Lab.state) else f"CUTOVER_LAB_DIR={shlex.quote(other.state)} "
    own = f"set CUTOVER_LAB_DIR to {other.state}" if chosen else "unset CUTOVER_LAB_DIR"
    return f"{own} to work with that lab; `{chosen or 'CUTOVER_LAB_DIR= '}./invokew lab.down` takes it away"


def _remove_unused(place: Path) -> None:
    """Remove a directory that a lab's tools made, unless somebody else has put something there since."""
    if not place.exists() or any(not path.is_dir() for path in place.rglob("*")):
        return
    unmount_below(place)  # ip mounts /run/netns on itself
    remove_tree(place)


def _limit(name: str) -> int:
    return int((_PROC / name).read_text())


def _set_limit(name: str, value: int) -> None:
    (_PROC / name).write_text(f"{value}\n")


def _record() -> Path:
    return _HOME / "record.json"


def _read(record: Path) -> Shared:
    try:
        stored = json.loads(record.read_text())
    except FileNotFoundError:  # there is no lab, or the last one is just going
        return Shared()
    return Shared(
        tuple(Claim(**claim) for claim in stored["labs"]),
        {name: Limit(**limit) for name, limit in stored["limits"].items()},
        tuple(stored["made"]),
    )


def _write(now: Shared) -> None:
    """Whole or not at all: it is also read by who does not hold it."""
    fresh = _HOME / "record.new"
    fresh.write_text(json.dumps(asdict(now)))
    fresh.replace(_record())
