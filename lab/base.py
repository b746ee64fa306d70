"""The base that all hosts share: a small Debian, built once and cached under a digest of what goes into it."""

import hashlib
import json
import os
import re
from collections.abc import Callable
from pathlib import Path

from lab.settings import USER, Lab
from lab.system import hold, remove_tree, run, unmount_below

SUITE = "bookworm"
PACKAGES = (  # python3-yaml: for services that are ordinary Debian ones
    "systemd", "systemd-sysv", "dbus", "openssh-server", "sudo", "procps", "iproute2", "logrotate", "python3", "python3-yaml",
)  # fmt: skip
_RECIPE = 1  # raise it when the functions below change what they make

_SSHD = "etc/ssh/sshd_config.d/lab.conf"
_JOURNALD = "etc/systemd/journald.conf.d/lab.conf"
_SUDOERS = f"etc/sudoers.d/{USER}"
_REFUSED = "PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin no\n"
_FILES = {
    _SUDOERS: (0o440, f"{USER} ALL=(ALL) NOPASSWD: ALL\n"),
    _SSHD: (0o644, f"HostKey /etc/ssh/ssh_host_ed25519_key\n{_REFUSED}"),
    _JOURNALD: (0o644, "[Journal]\nStorage=persistent\nSystemMaxUse=64M\n"),
    "etc/default/locale": (0o644, "LANG=C.UTF-8\n"),
    "etc/locale.conf": (0o644, "LANG=C.UTF-8\n"),
    "etc/resolv.conf": (0o644, "# a lab host resolves nothing beyond /etc/hosts\n"),
    "etc/fstab": (0o644, "# the disk of a lab host is mounted by the controller\n"),
}

# Useless on a host without console, network and people; they cost memory and boot time.
_MASKED = (
    "apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "e2scrub_all.timer", "e2scrub_reap.service", "fstrim.timer",
    "cron.service", "console-getty.service", "getty-static.service", "getty@tty1.service", "systemd-logind.service",
    "systemd-firstboot.service", "systemd-repart.service", "dev-hugepages.mount", "sys-fs-fuse-connections.mount",
)  # fmt: skip
_REMOVED = ("etc/ssh/ssh_host_*", "etc/machine-id", "var/lib/dbus/machine-id", "etc/hostname", "etc/update-motd.d/*")
_BUILDING = ".cutover-lab-building-"
_SIGNS = (_SSHD, _JOURNALD, _SUDOERS)
_EMPTIED = ("var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/man", "usr/share/locale", "var/log/apt")


def key() -> str:
    """Digest of everything that goes into the base."""
    recipe = [_RECIPE, SUITE, PACKAGES, _FILES, _MASKED, _REMOVED, _EMPTIED]
    return hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()[:16]


def place(lab: Lab) -> Path:
    """Path of this recipe's base, built or not."""
    return lab.cache / key()


def ensure(lab: Lab, progress: Callable[[str], None]) -> Path:
    """Build the base where it is missing, and return its path. It gets its name only when it is complete."""
    done = place(lab)
    if done.is_dir():
        return done
    with hold(lab.cache, wait=True):
        if not done.is_dir():  # another process may have built it while we waited
            _remove_interrupted(lab)
            progress(f"building the base of the lab hosts ({SUITE}, about a minute, once)")
            building = lab.cache / f"{_BUILDING}{os.getpid()}"
            _build(building)
            building.rename(done)
    return done


def purge(lab: Lab) -> None:
    """Remove the bases of every recipe from the cache, and the cache directory when nothing else is in it."""
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
    """The bases, recognized by name and by files that only we put there; anything else in the cache is somebody else's."""
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
    run(["chroot", str(root), "usermod", "--password", "*", USER])  # no password, and not locked either
    for pattern in _REMOVED:
        for path in root.glob(pattern):
            path.unlink()
    for directory in _EMPTIED:
        for path in (root / directory).iterdir():
            remove_tree(path)
    for name, (mode, text) in _FILES.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.write_text(text)
        path.chmod(mode)
    units = root / "etc/systemd/system"
    for unit in _MASKED:
        (units / unit).symlink_to("/dev/null")
    (units / "default.target").unlink(missing_ok=True)
    (units / "default.target").symlink_to("/lib/systemd/system/multi-user.target")
    (root / "etc/localtime").unlink(missing_ok=True)
    (root / "etc/localtime").symlink_to("/usr/share/zoneinfo/Etc/UTC")
