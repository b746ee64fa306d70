"""What befalls a host or a controller: each is a `with`, and is gone when it ends."""

import random
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

import lab
from tests.faults.ground import Ground
from tests.lab.support import V1, V2

SYSTEMCTL = "/usr/bin/systemctl"
SKEW = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/time.h>
#include <time.h>
static long ahead = SECONDS;
int clock_gettime(clockid_t which, struct timespec *at) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int said = real(which, at);
    if (said == 0 && which == CLOCK_REALTIME) at->tv_sec += ahead;
    return said;
}
int gettimeofday(struct timeval *restrict at, void *restrict zone) {
    struct timespec now;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &now)) return -1;
    at->tv_sec = now.tv_sec;
    at->tv_usec = now.tv_nsec / 1000;
    return 0;
}
time_t time(time_t *at) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (at) *at = now.tv_sec;
    return now.tv_sec;
}
"""


@contextmanager
def cut(ground: Ground, name: str) -> Iterator[None]:
    """Its cable is cut."""
    lab.cut(name, lab=ground.hosts.lab)
    try:
        yield
    finally:
        lab.heal(name, lab=ground.hosts.lab)


STORMS = "/run/storm"  # while this file is there
STORM = f"while [ -e {STORMS} ]; do systemctl daemon-reexec; systemctl restart ssh; pkill -KILL -f '^sshd: deploy'; sleep 0.5; done"


@contextmanager
def storm(ground: Ground, name: str) -> Iterator[None]:
    """The init system executes itself anew, sshd is restarted and its sessions are killed, twice a second."""
    ground.hosts.inside(name, f'touch {STORMS}; systemd-run -q --collect --unit=storm sh -c "{STORM}"')
    try:
        yield
    finally:
        # Asked in the middle of it, systemd may not answer; a host that is not at rest again would spoil what is played there next.
        calm = "! systemctl -q is-active storm.service && systemctl start ssh && systemctl daemon-reload"
        ground.hosts.inside(name, f"rm {STORMS}; until {calm}; do sleep 1; done")


@contextmanager
def _blackhole(address: object, *where: str) -> Iterator[None]:
    """Nothing is sent to an address."""
    route = ["blackhole", f"{address}/32"]
    subprocess.run(["ip", *where, "route", "add", *route], check=True)
    try:
        yield
    finally:
        subprocess.run(["ip", *where, "route", "del", *route], check=True)


def deaf(ground: Ground, name: str) -> AbstractContextManager[None]:
    """One way: nothing that this machine sends reaches the host; what the host sends does arrive."""
    return _blackhole(ground.hosts.lab.slot(int(name[3:])).address)


def mute(ground: Ground, name: str) -> AbstractContextManager[None]:
    """One way: the host hears everything, and nothing that it sends comes out."""
    place = ground.hosts.lab
    return _blackhole(place.network[1], "-netns", place.slot(int(name[3:])).machine)


@contextmanager
def full(ground: Ground, name: str, leave_mb: int = 0) -> Iterator[None]:
    """Its disk has no more than so many megabytes left."""
    lab.fill(name, leave_mb=leave_mb, lab=ground.hosts.lab)
    try:
        yield
    finally:
        lab.heal(name, lab=ground.hosts.lab)


@contextmanager
def _meanwhile(ground: Ground, name: str, do: str, undo: str) -> Iterator[None]:
    """A script is run on it now, and another one in the end."""
    ground.inside(do, name)
    try:
        yield
    finally:
        ground.inside(undo, name)


def read_only(ground: Ground, name: str, folder: str) -> AbstractContextManager[None]:
    """A directory of it can only be read, as after an error of its disk."""
    mount = f"mount --bind {folder} {folder} && mount -o remount,ro,bind {folder}"
    return _meanwhile(ground, name, mount, f"umount -l {folder}")


def lying(ground: Ground, name: str, says: str) -> AbstractContextManager[None]:
    """Its systemctl answers every question with the same words, and does everything else as it should."""
    fake = f"#!/bin/sh\ncase \" $* \" in *' show '*) printf '%s' '{says}';; *) exec /srv/systemctl \"$@\";; esac\n"
    ground.inside(f"cp {SYSTEMCTL} /srv/systemctl && cat > /srv/lying <<'END'\n{fake}END\nchmod 755 /srv/lying", name)
    return _meanwhile(ground, name, f"mount --bind /srv/lying {SYSTEMCTL}", f"umount -l {SYSTEMCTL}")


@contextmanager
def skewed(ground: Ground, name: str, seconds: int) -> Iterator[None]:
    """Every program that starts on it from now on reads a clock that is wrong. The clock itself is this machine's, and is left alone."""
    root = lab.root_of(name, ground.hosts.lab)
    source, library = root / "srv" / "skew.c", root / "srv" / "skew.so"
    source.write_text(SKEW.replace("SECONDS", str(seconds)))
    subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-o", str(library), str(source), "-ldl"], check=True)
    ground.inside("echo /srv/skew.so > /etc/ld.so.preload", name)
    try:
        yield
    finally:
        (root / "etc" / "ld.so.preload").unlink()


def _drop_in(ground: Ground, name: str, unit: str, lines: str) -> AbstractContextManager[None]:
    """A unit of it has more lines in its [Service]; it need not be there yet."""
    folder = f"/run/systemd/system/{unit}.d"
    write = f"mkdir -p {folder} && printf '[Service]\\n%s\\n' \"{lines}\" > {folder}/fault.conf"
    read = "systemctl daemon-reload"
    return _meanwhile(ground, name, f"{write} && {read}", f"rm -rf {folder} && {read}")


def broken_v2(ground: Ground, name: str, how: str) -> AbstractContextManager[None]:
    """Its V2 breaks, from its first start on."""
    kill = f"+/bin/sh -c 'systemd-run --quiet --collect --on-active=%s systemctl kill -s KILL {V2}'"
    lines = {
        "dies at start": "ExecStartPre=/bin/false",
        "never ready": "ExecStartPre=/bin/sleep 600",
        "crashes later": f"ExecStartPost={kill % '4'}",
        "crash-loops": f"ExecStartPost={kill % '500ms'}\nRestartSec=200ms\nRestart=always",
    }
    return _drop_in(ground, name, V2, lines[how])


def stubborn_v1(ground: Ground, name: str) -> AbstractContextManager[None]:
    """Its V1 ignores the signal that stops it: systemd sends it a signal that it does not know."""
    return _drop_in(ground, name, V1, "KillSignal=SIGURG")


@contextmanager
def small_disk(folder: Path) -> Iterator[Callable[[], Path]]:
    """A directory of the controller has a small disk of its own; gives what fills it, which gives the file that does."""
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "faults", str(folder)], check=True)

    def fill() -> Path:
        filler = folder / "filler"
        with suppress(OSError), filler.open("wb", buffering=0) as file:  # full: what was wanted
            while file.write(bytes(4096)):
                pass
        return filler

    try:
        yield fill
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


class BadWire:
    """A proxy on this machine: what it carries comes late, and now and then a connection stalls, as one with losses does."""

    def __init__(self, target: str, delay_s: float, seed: int) -> None:
        self._target, self._delay, self._chance = target, delay_s, random.Random(seed)  # noqa: S311 - a fault, no secret
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):  # closed: the end of it
            while True:
                here, _ = self._server.accept()
                there = socket.create_connection((self._target, 22))
                for one, other in ((here, there), (there, here)):
                    threading.Thread(target=self._carry, args=(one, other), daemon=True).start()

    def _carry(self, one: socket.socket, other: socket.socket) -> None:
        with one, suppress(OSError):
            while content := one.recv(1 << 18):
                lost = self._chance.random() < 0.02  # what TCP makes of a lost packet: it comes after the next timeout
                time.sleep(self._delay / 2 + (0.4 if lost else 0))
                other.sendall(content)
            other.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """No new connections."""
        self._server.close()


@contextmanager
def bad_wire(ground: Ground, name: str, delay_s: float, seed: int) -> Iterator[None]:
    """The inventory leads to a host through a bad wire."""
    import yaml

    address = str(ground.hosts.lab.slot(int(name[3:])).address)
    wire = BadWire(address, delay_s, seed)
    files = [ground.checkout.inventory / file for file in ("hosts.yml", "known_hosts")]
    kept = [file.read_text() for file in files]
    document = yaml.safe_load(kept[0])
    document["all"]["children"]["lab"]["hosts"][name] = {"ansible_host": "127.0.0.1", "ansible_port": wire.port}
    key = next(line.split(" ", 1)[1] for line in kept[1].splitlines() if line.startswith(f"{address} "))
    files[0].write_text(yaml.safe_dump(document))
    files[1].write_text(f"{kept[1]}[127.0.0.1]:{wire.port} {key}\n")
    try:
        yield
    finally:
        wire.close()
        for file, text in zip(files, kept, strict=True):
            file.write_text(text)
