"""The base that all hosts share: a small Debian, built once and kept in a cache under a digest of what goes into it."""

import hashlib
import json
import os
import re
from collections.abc import Callable
from pathlib import Path

from lab.lock import hold
from lab.mounts import remove_tree, unmount_below
from lab.settings import USER, Lab
from lab.shell import run

SUITE = "bookworm"
PACKAGES = (
    "systemd",
    "systemd-sysv",
    "dbus",
    "openssh-server",
    "sudo",
    "procps",
    "iproute2",
    "logrotate",
    "python3",
    "python3-yaml",  # read by V1, which is an ordinary Debian service
)
_RECIPE = 1  # raise it when the functions below change what they make

_SSHD = """\
HostKey /etc/ssh/ssh_host_ed25519_key
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin no
"""
_FILES = {
    f"etc/sudoers.d/{USER}": (0o440, f"{USER} ALL=(ALL) NOPASSWD: ALL\n"),
    "etc/ssh/sshd_config.d/lab.conf": (
        0o644,
        _SSHD,
    ),
    "etc/systemd/journald.conf.d/lab.conf": (0o644, "[Journal]\nStorage=persistent\nSystemMaxUse=64M\n"),
    "etc/default/locale": (0o644, "LANG=C.UTF-8\n"),
    "etc/locale.conf": (0o644, "LANG=C.UTF-8\n"),
    "etc/resolv.conf": (0o644, "# a lab host resolves nothing beyond /etc/hosts\n"),
    "etc/fstab": (0o644, "# the disk of a lab host is mounted by the controller\n"),
}

# Of no use on a host without console, without a way out and without people; they cost memory and a slower boot.
_MASKED = (
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "e2scrub_reap.service",
    "fstrim.timer",
    "cron.service",
    "console-getty.service",
    "getty-static.service",
    "getty@tty1.service",
    "systemd-logind.service",
    "systemd-firstboot.service",
    "systemd-repart.service",
    "dev-hugepages.mount",
    "sys-fs-fuse-connections.mount",
)
_REMOVED = ("etc/ssh/ssh_host_*", "etc/machine-id", "var/lib/dbus/machine-id", "etc/hostname", "etc/update-motd.d/*")
_BUILDING = ".cutover-lab-building-"
_SIGNS = ("etc/ssh/sshd_config.d/lab.conf", "etc/systemd/journald.conf.d/lab.conf", f"etc/sudoers.d/{USER}")
_EMPTIED = ("var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/man", "usr/share/locale", "var/log/apt")


def key() -> str:
    """Digest of all that goes into the base; another one is another base."""
    recipe = [_RECIPE, SUITE, PACKAGES, _FILES, _MASKED, _REMOVED, _EMPTIED]
    return hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()[:16]


def place(lab: Lab) -> Path:
    """Where the base of this recipe is, or will be."""
    return lab.cache / key()


def is_built(lab: Lab) -> bool:
    """Whether the base of this recipe is in the cache; who may not look there has none."""
    try:
        return place(lab).is_dir()
    except PermissionError:
        return False


def ensure(lab: Lab, tell: Callable[[str], None]) -> Path:
    """The base, built now where it is missing. It gets its name only when it is complete."""
    done = place(lab)
    if done.is_dir():
        return done
    with hold(lab.cache, wait=True):
        if not done.is_dir():  # somebody else may have built it while we waited
            _remove_interrupted(lab)
            tell(f"building the base of the lab hosts ({SUITE}, about a minute, once)")
            building = lab.cache / f"{_BUILDING}{os.getpid()}"
            _build(building)
            building.rename(done)
    return done


def purge(lab: Lab) -> None:
    """Remove the bases of every recipe from the cache, and the cache itself where they were all that was in it."""
    if not lab.cache.is_dir():
        return
    with hold(lab.cache, wait=False):
        built = _built(lab)
        for each in built:
            remove_tree(each)
        ours = [*built, *_remove_interrupted(lab)]
        if ours and not any(lab.cache.iterdir()) and not os.path.ismount(lab.cache):
            lab.cache.rmdir()


def _built(lab: Lab) -> list[Path]:
    """What is a base beyond doubt, by its name and by what only we put in it. The cache may hold other things; they are not ours."""
    named = [path for path in lab.cache.iterdir() if re.fullmatch(r"[0-9a-f]{16}", path.name)]
    return [path for path in named if all((path / file).is_file() for file in _SIGNS)]


def _remove_interrupted(lab: Lab) -> list[Path]:
    found = list(lab.cache.glob(f"{_BUILDING}*"))
    for each in found:
        unmount_below(each)  # debootstrap mounts there, and was interrupted
        remove_tree(each)
    return found


def _build(root: Path) -> None:
    root.mkdir(mode=0o755)
    packages = ",".join(PACKAGES)
    run(["debootstrap", "--variant=minbase", f"--include={packages}", SUITE, str(root)], timeout=900)
    run(["chroot", str(root), "useradd", "--create-home", "--uid", "1000", "--shell", "/bin/bash", USER])
    run(["chroot", str(root), "usermod", "--password", "*", USER])  # no password at all, and not locked either
    for pattern in _REMOVED:
        for path in root.glob(pattern):
            path.unlink()
    for directory in _EMPTIED:
        for path in (root / directory).iterdir():
            remove_tree(path)
    for name, (mode, text) in _FILES.items():
        _write(root / name, mode, text)
    units = root / "etc/systemd/system"
    for unit in _MASKED:
        (units / unit).symlink_to("/dev/null")
    (units / "default.target").unlink(missing_ok=True)
    (units / "default.target").symlink_to("/lib/systemd/system/multi-user.target")
    (root / "etc/localtime").unlink(missing_ok=True)
    (root / "etc/localtime").symlink_to("/usr/share/zoneinfo/Etc/UTC")


def _write(path: Path, mode: int, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.write_text(text)
    path.chmod(mode)
