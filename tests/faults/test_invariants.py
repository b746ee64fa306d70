"""The checker is checked: a history in which all is well has no violation, and each planted one is found by its invariant alone."""

import hashlib
import json
from typing import Any

import pytest

from tests.faults.invariants import INVARIANTS, START, judge

BOOT, T0 = "b1", 1_800_000_000.0
AT = "2027-01-15T08:00:{:06.3f}Z"
GAP = {"gap_s": 2.0, "from": AT.format(10.0), "until": AT.format(12.0)}


def lines(*records: tuple[float, str, dict[str, Any]]) -> list[str]:
    """A journal: seconds after T0, kind, data."""
    found: list[str] = []
    before = START
    for seq, (seconds, kind, data) in enumerate(records, start=1):
        body = {"seq": seq, "at": AT.format(seconds), "kind": kind, "data": data, "prev": before}
        before = hashlib.sha256(json.dumps(body, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
        found.append(json.dumps(body | {"hash": before}))
    return found


def step(seconds: float, name: str, **after: Any) -> tuple[float, str, dict[str, Any]]:
    """An outcome."""
    return seconds, "outcome", {"host": "lab1", "id": name, "ok": True, "after": after}


def event(seconds: float, unit: str, what: str, boot: str = BOOT) -> dict[str, Any]:
    """One of systemd's notes."""
    return {"unit": unit, "what": what, "boot": boot, "at": T0 + seconds}


def look(version: str) -> dict[str, Any]:
    """A host on a version, with nothing left behind."""
    units = {
        name: {"ActiveState": "active" if name == version else "inactive", "UnitFileState": "enabled" if name == version else "disabled"}
        for name in ("V1", "V2")
    }  # fmt: skip
    process = {"kind": version, "pid": 7, "command": "python3", "unit": f"abaco-pipeline-{version.lower()}.service"}
    return {
        "boot": BOOT, "units": units, "events": [], "config": f"config of {version}", "current": f"release of {version}",
        "tapes": {"arrived": ["a", "b"], "arrived_by_now": ["a", "b"], "waiting": [], "done": ["a"], "rejected": ["b"]},
        "processes": [process], "engine_units": [], "temporary": [], "locks": [], "armed": False,
        "lease": {"held": False, "run": "r1"}, "reverted": [],
    }  # fmt: skip


def well() -> dict[str, Any]:
    """A cutover in which all was well: V1 stopped at 10 s, V2 ready at 12 s."""
    after = look("V2")
    after["events"] = [
        event(10, "V1", "stopping"), event(10.2, "V1", "ended"), event(11, "V2", "starting"), event(12, "V2", "started"),
    ]  # fmt: skip
    return {
        "name": "planted", "expect": {"ends": ["V2"], "budget_s": 30}, "left_running": [],
        "hosts": {"lab1": {"before": look("V1"), "after": after}},
        "commands": [{"words": ["cutover"], "code": 0, "errors": []}],
        "journals": {"r1": lines(step(10.3, "shutdown.old"), step(12.1, "activation.new"), step(12.2, "activation.outage", **GAP))},
        "again": {"command": "cutover", "code": 0, "codes": [0], "changed": {}},
    }  # fmt: skip


RECORDED = well()["journals"]["r1"]
PROCESSES = well()["hosts"]["lab1"]["after"]["processes"]
# Invariant, what is planted, and its place in the history and value there; a place that begins with a dot is the host in the end.
PLANTED: list[tuple[str, str, str, Any]] = [
    ("I1", "V1 ends when V2 has begun", ".events.1.at", T0 + 11.5),
    ("I1", "two processes", ".processes", [*PROCESSES, {"kind": "V1", "pid": 8, "command": "v1", "unit": "abaco-pipeline-v1.service"}]),
    ("I2", "nobody chose this end", "expect.ends", ["V1"]),
    ("I2", "V2 with the config of V1", ".config", "config of V1"),
    ("I3", "lost tape", ".tapes.done", []),
    ("I3", "doubled tape", ".tapes.rejected", ["a", "b"]),
    ("I3", "tape from nowhere", ".tapes.done", ["a", "c"]),
    ("I4", "edited record", "journals.r1.1", RECORDED[1].replace("V2", "V3").replace("12.1", "12.3")),
    ("I4", "removed record", "journals.r1", RECORDED[1:]),
    ("I4", "journal that says something else", "journals.r1", lines(step(10.3, "shutdown.old"), step(12.2, "activation.outage", **GAP))),
    ("I5", "orphan", ".processes", [*PROCESSES, {"kind": "engine", "pid": 9, "command": "agent.pyz", "unit": ""}]),
    ("I5", "timer", ".engine_units", ["cutover-revert-var-lib-cutover-abaco.timer"]),
    ("I5", "held lock", ".locks", ["work.lock"]),
    ("I5", "held lease", ".lease.held", True),
    ("I5", "half a file", ".temporary", ["/etc/abaco/.pipeline.yml.cutover-new"]),
    ("I5", "process of the controller", "left_running", ["123 ssh"]),
    ("I6", "too long away", "expect.budget_s", 1),
    ("I6", "away, and nobody says so", "journals.r1", lines(step(10.3, "shutdown.old"), step(12.1, "activation.new"))),
    ("I7", "not enabled", ".units.V2.UnitFileState", "disabled"),
    ("I7", "stopped and enabled", ".units.V1.UnitFileState", "enabled"),
    ("I8", "changes again", "again.changed", {"processes": "changed"}),
    ("I8", "fails again", "again.code", 3),
]  # fmt: skip


def plant(history: dict[str, Any], path: str, value: Any) -> None:
    """Have something else stand in a place of a history."""
    place: Any = history["hosts"]["lab1"]["after"] if path.startswith(".") else history
    *way, last = [int(key) if key.isdigit() else key for key in path.removeprefix(".").split(".")]
    for key in way:
        place = place[key]
    place[last] = value


def test_a_history_in_which_all_was_well_has_no_violation() -> None:
    assert judge(well()) == []


def test_something_is_planted_for_every_invariant() -> None:
    assert {invariant for invariant, *_ in PLANTED} == set(INVARIANTS)


@pytest.mark.parametrize(("invariant", "what", "path", "value"), PLANTED)
def test_what_is_planted_is_found(invariant: str, what: str, path: str, value: Any) -> None:
    history = well()
    plant(history, path, value)
    assert {violation.invariant for violation in judge(history)} == {invariant}, what


def test_a_mix_is_an_allowed_end_only_where_it_is_listed_with_exit_5() -> None:
    history = well()
    history["hosts"]["lab2"] = {"before": look("V1"), "after": look("V1")}
    history["expect"]["ends"] = ["V1", "V2"]
    assert {violation.invariant for violation in judge(history)} == {"I2"}
    history["commands"] = [{"words": ["rollback"], "code": 5, "errors": [{"host": "lab1"}, {"host": "lab2"}]}]
    assert judge(history) == []


def test_a_gap_across_a_reboot_is_the_hosts_own() -> None:
    history = well()
    after = history["hosts"]["lab1"]["after"]
    after["events"] += [event(100, "V2", "starting", "b2"), event(200, "V2", "started", "b2")]
    after["boot"] = "b2"
    assert judge(history) == []
