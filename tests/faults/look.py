"""Run on a host, from behind: everything the invariants are about, as one JSON document. Standard library only.

Arguments: since when (seconds, UTC) the journal of the host is read.
"""

import fcntl
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

V1, V2 = "abaco-pipeline-v1.service", "abaco-pipeline-v2.service"
DATA, STATE = Path("/var/lib/abaco"), Path("/var/lib/cutover/abaco")
MESSAGES = {  # systemd's own catalogue
    "7d4958e842da4a758f6c1cdc7b36dcc5": "starting",
    "39f53479d3a045ac8e11786248231fbf": "started",
    "de5b426a63be47a7b6ac3eaac82e2f6f": "stopping",
    "98e322203f7a4ed290d09fe03c09fe15": "exited",
    "9d1aaa27d60140bd96365438aad20286": "ended",
    "7ad2d189f7e94e70a38c781354912448": "ended",
    "d9b373ed55a64feb8242e02dbe79a49c": "ended",
}


# What an atomic write, an upload and an unpacking call what they have not finished.
UNFINISHED = re.compile(r"\.cutover-new|\.part\b|\.tmp$|^\.(new|building|scratch|unpacking)")


def run(*argv: str) -> str:
    """What a command says."""
    return subprocess.run(argv, capture_output=True, text=True, check=False).stdout


def events(since: str) -> list[dict[str, Any]]:
    """Starts and stops of V1 and V2, as systemd wrote them down."""
    run("journalctl", "--sync")
    told = run("journalctl", "--no-pager", "-o", "json", f"--since=@{since}", f"UNIT={V1}", f"UNIT={V2}")
    found = []
    for line in told.splitlines():
        entry = json.loads(line)
        if what := MESSAGES.get(entry.get("MESSAGE_ID", "")):
            at = int(entry.get("_SOURCE_REALTIME_TIMESTAMP", entry["__REALTIME_TIMESTAMP"])) / 1e6
            unit = "V1" if entry["UNIT"] == V1 else "V2"
            found.append({"unit": unit, "what": what, "boot": entry["_BOOT_ID"], "at": at})
    return found


def unit(name: str) -> dict[str, Any]:
    """How a unit is now."""
    asked = ["ActiveState", "SubState", "UnitFileState", "MainPID", "NRestarts"]
    lines = run("systemctl", "show", "-p", ",".join(asked), name).splitlines()
    return dict(line.split("=", 1) for line in lines)


def processes() -> list[dict[str, Any]]:
    """Processes of V1, of V2 and of the engine, with the unit that they belong to."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
            group = (folder / "cgroup").read_text()
        except OSError:  # it ended meanwhile
            continue
        kind = ""
        if "pipeline_v1.py" in command:
            kind = "V1"
        elif "-m kpi " in command:
            kind = "V2"
        elif ".pyz" in command or "cutover-agent" in command or "/var/lib/cutover" in command:
            kind = "engine"
        if kind and int(folder.name) != os.getpid():
            unit_name = next(
                (
                    part
                    for part in reversed(group.replace("\n", "/").split("/"))
                    if part.endswith((".service", ".scope"))
                ),
                "",
            )
            found.append({"kind": kind, "pid": int(folder.name), "command": command[:200], "unit": unit_name})
    return found


def names(folder: str) -> list[str]:
    """Files of a directory of tapes, reasons left out."""
    place = DATA / folder
    return (
        sorted(path.name for path in place.iterdir() if path.is_file() and not path.name.endswith(".reason.json"))
        if place.is_dir()
        else []
    )


def held(lock: str) -> bool:
    """Whether somebody holds a lock of the engine."""
    if not (STATE / lock).exists():
        return False
    with (STATE / lock).open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def held_lease(lease: dict[str, Any]) -> dict[str, Any]:
    """Who had it last, and whether it still keeps others out: time counts since boot, and one of another boot has ended."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    ended = lease.get("boot_id") != boot or lease.get("ends", 0.0) <= time.clock_gettime(time.CLOCK_BOOTTIME)
    return {"run": lease.get("run"), "token": lease["token"], "held": not lease["released"] and not ended}


def temporary() -> list[str]:
    """Files that only a write under way may have."""
    tops = ("/etc/abaco", "/etc/systemd/system", "/opt/abaco", "/var/lib/abaco", "/var/lib/cutover", "/tmp", "/var/tmp")
    found = [path for top in tops for path in Path(top).rglob("*") if UNFINISHED.search(path.name)]
    return [str(path) for path in found if path.parent != DATA / "inbox"]  # a delivery under way is nobody's fault


def digest(path: str) -> str:
    """Which file it is."""
    return run("sha256sum", path).split(" ")[0] if Path(path).exists() else "absent"


def tapes() -> dict[str, Any]:
    """What was delivered, and what became of it. The ledger is read first: what comes later is not asked after."""
    arrived = ledger()
    return {
        "arrived": arrived,
        "waiting": names("inbox")
        + names("processing"),  # before done: what moves on meanwhile is seen twice, never missed
        "done": [name.split("__")[0] for name in names("done")],
        "rejected": [name.split("__")[0] for name in names("rejected") if ".duplicate-" not in name],
        "arrived_by_now": ledger(),
    }


def ledger() -> list[str]:
    """The digests of all that was delivered."""
    file = DATA / "arrivals.jsonl"
    return (
        [json.loads(line)["sha256"] for line in file.read_text().splitlines() if line.endswith("}")]
        if file.exists()
        else []
    )


def look(since: str) -> dict[str, Any]:
    """All of it."""
    lease, current = STATE / "lease.json", Path("/opt/abaco/current")
    units = run("systemctl", "list-units", "--all", "--plain", "--no-legend", "cutover-*").splitlines()
    files = [str(path) for path in Path("/etc/systemd/system").rglob("cutover-*")]
    return {
        "tapes": tapes(),
        "boot": Path("/proc/sys/kernel/random/boot_id").read_text().strip().replace("-", ""),
        "units": {"V1": unit(V1), "V2": unit(V2)},
        "events": events(since),
        "config": digest("/etc/abaco/pipeline.yml"),
        "current": str(current.readlink()) if current.is_symlink() else "",
        "processes": processes(),
        "engine_units": sorted({line.split()[0] for line in units} | set(files)),
        "temporary": temporary(),
        "lease": held_lease(json.loads(lease.read_text())) if lease.exists() else None,
        "armed": (STATE / "armed.json").exists(),
        "locks": [lock for lock in ("work.lock", "lease.lock") if held(lock)],
        "reverted": [json.loads(path.read_text()) for path in sorted(STATE.glob("runs/*/reverted.json"))],
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(look(sys.argv[1])))
