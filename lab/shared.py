"""What all labs of this machine share: two kernel limits and two directories, given back when the last lab is gone.

Some twenty hosts use up the kernel's default of inotify instances, and the next one's PID 1 dies without a word.
"""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from lab.lock import hold
from lab.mounts import remove_tree
from lab.settings import Lab

_LIMITS = {"fs/inotify/max_user_instances": 8192, "kernel/keys/maxkeys": 20000}
_DIRECTORIES = ("/run/netns", "/run/systemd/nspawn")  # made by ip and systemd-nspawn when they run first
_HOME = Path("/run/cutover-lab")


@dataclass(frozen=True)
class Shared:
    """What was there before the first lab, and which labs (state directories) there are."""

    labs: tuple[str, ...] = ()
    limits: dict[str, int] = field(default_factory=dict)
    made: tuple[str, ...] = ()


def take(lab: Lab) -> None:
    """Raise the limits where they are too low, and remember what was there before."""
    with _record() as record:
        before = _read(record)
        limits = dict(before.limits)
        for name, wanted in _LIMITS.items():
            if (now := int(_sysctl(name).read_text())) < wanted:
                limits.setdefault(name, now)
                _sysctl(name).write_text(f"{wanted}\n")
        made = before.made or tuple(place for place in _DIRECTORIES if not Path(place).exists())
        labs = tuple(sorted({*before.labs, str(lab.state)}))
        record.write_text(json.dumps(asdict(Shared(labs, limits, made))))


def give_back(lab: Lab) -> None:
    """Take this lab off the record; after the last one, put everything back as it was."""
    if not _HOME.exists():
        return
    with _record() as record:
        now = _read(record)
        labs = tuple(state for state in now.labs if state != str(lab.state) and Path(state).exists())
        if labs:
            record.write_text(json.dumps(asdict(replace(now, labs=labs))))
            return
        for name, value in now.limits.items():
            _sysctl(name).write_text(f"{value}\n")
        for place in now.made:
            _remove_unused(Path(place))
        shutil.rmtree(_HOME)


def _remove_unused(place: Path) -> None:
    """Remove a directory that a lab's tools made, unless somebody else has put something there since."""
    if not place.exists() or any(not path.is_dir() for path in place.rglob("*")):
        return
    remove_tree(place)  # unmounted first: ip mounts /run/netns on itself


def _sysctl(name: str) -> Path:
    return Path("/proc/sys") / name


def _read(record: Path) -> Shared:
    if not record.exists():
        return Shared()
    stored = json.loads(record.read_text())
    return Shared(tuple(stored["labs"]), stored["limits"], tuple(stored["made"]))


@contextmanager
def _record() -> Iterator[Path]:
    """The record, with nobody else writing it: two labs may come and go at the same time."""
    with hold(_HOME, wait=True):
        yield _HOME / "shared.json"
