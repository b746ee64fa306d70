"""The checker is checked: a history in which all is well has no violation, and each planted one is found by its invariant alone."""

import copy
import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.faults.invariants import INVARIANTS, START, judge

BOOT, T0 = "b1", 1_800_000_000.0
AT = "2027-01-15T08:00:{:06.3f}Z"


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
    recorded = {"gap_s": 2.0, "from": AT.format(10.0), "until": AT.format(12.0)}
    return {
        "name": "planted", "expect": {"ends": ["V2"], "budget_s": 30}, "left_running": [],
        "hosts": {"lab1": {"before": look("V1"), "after": after}},
        "commands": [{"words": ["cutover"], "code": 0, "errors": []}],
        "journals": {"r1": lines(step(10.3, "shutdown.old"), step(12.1, "activation.new"), step(12.2, "activation.outage", **recorded))},
        "again": {"command": "cutover", "code": 0, "codes": [0], "changed": {}},
    }  # fmt: skip


def host(history: dict[str, Any]) -> dict[str, Any]:
    """The host as it was in the end."""
    after: dict[str, Any] = history["hosts"]["lab1"]["after"]
    return after


def two_writers(history: dict[str, Any]) -> None:
    host(history)["events"][1]["at"] = T0 + 11.5  # V1 ended when V2 had begun


def two_processes(history: dict[str, Any]) -> None:
    host(history)["processes"].append({"kind": "V1", "pid": 8, "command": "v1", "unit": "abaco-pipeline-v1.service"})


def nobody_chose_this_end(history: dict[str, Any]) -> None:
    history["expect"]["ends"] = ["V1"]


def v2_with_the_config_of_v1(history: dict[str, Any]) -> None:
    host(history)["config"] = "config of V1"


def mix_that_nobody_listed(history: dict[str, Any]) -> None:
    history["hosts"]["lab2"] = {"before": look("V1"), "after": look("V1")}
    history["expect"]["ends"] = ["V1", "V2"]


def lost_tape(history: dict[str, Any]) -> None:
    host(history)["tapes"]["done"] = []


def doubled_tape(history: dict[str, Any]) -> None:
    host(history)["tapes"]["rejected"] = ["a", "b"]


def tape_from_nowhere(history: dict[str, Any]) -> None:
    host(history)["tapes"]["done"] = ["a", "c"]


def edited_journal(history: dict[str, Any]) -> None:
    history["journals"]["r1"][1] = history["journals"]["r1"][1].replace("V2", "V3").replace("12.1", "12.3")


def removed_record(history: dict[str, Any]) -> None:
    del history["journals"]["r1"][0]


def journal_that_says_something_else(history: dict[str, Any]) -> None:
    recorded = {"gap_s": 2.0, "from": AT.format(10.0), "until": AT.format(12.0)}
    history["journals"]["r1"] = lines(step(10.3, "shutdown.old"), step(12.2, "activation.outage", **recorded))


def orphan(history: dict[str, Any]) -> None:
    host(history)["processes"].append({"kind": "engine", "pid": 9, "command": "agent.pyz", "unit": ""})


def timer(history: dict[str, Any]) -> None:
    host(history)["engine_units"] = ["cutover-revert-var-lib-cutover-abaco.timer"]


def held_lock(history: dict[str, Any]) -> None:
    host(history)["locks"] = ["work.lock"]


def held_lease(history: dict[str, Any]) -> None:
    host(history)["lease"]["held"] = True


def half_a_file(history: dict[str, Any]) -> None:
    host(history)["temporary"] = ["/etc/abaco/.pipeline.yml.cutover-new"]


def process_of_the_controller(history: dict[str, Any]) -> None:
    history["left_running"] = ["123 ssh"]


def too_long_away(history: dict[str, Any]) -> None:
    history["expect"]["budget_s"] = 1


def away_and_nobody_says_so(history: dict[str, Any]) -> None:
    history["journals"]["r1"] = lines(step(10.3, "shutdown.old"), step(12.1, "activation.new"))


def not_enabled(history: dict[str, Any]) -> None:
    host(history)["units"]["V2"]["UnitFileState"] = "disabled"


def stopped_and_enabled(history: dict[str, Any]) -> None:
    host(history)["units"]["V1"]["UnitFileState"] = "enabled"


def changes_again(history: dict[str, Any]) -> None:
    history["again"]["changed"] = {"processes": "changed"}


def fails_again(history: dict[str, Any]) -> None:
    history["again"]["code"] = 3


PLANTED: dict[str, tuple[Callable[[dict[str, Any]], None], ...]] = {
    "I1": (two_writers, two_processes),
    "I2": (nobody_chose_this_end, v2_with_the_config_of_v1, mix_that_nobody_listed),
    "I3": (lost_tape, doubled_tape, tape_from_nowhere),
    "I4": (edited_journal, removed_record, journal_that_says_something_else),
    "I5": (orphan, timer, held_lock, held_lease, half_a_file, process_of_the_controller),
    "I6": (too_long_away, away_and_nobody_says_so),
    "I7": (not_enabled, stopped_and_enabled),
    "I8": (changes_again, fails_again),
}


def test_a_history_in_which_all_was_well_has_no_violation() -> None:
    assert judge(well()) == []


def test_something_is_planted_for_every_invariant() -> None:
    assert list(PLANTED) == list(INVARIANTS)


CASES = [pytest.param(name, plant, id=plant.__name__) for name, plants in PLANTED.items() for plant in plants]


@pytest.mark.parametrize(("invariant", "plant"), CASES)
def test_what_is_planted_is_found(invariant: str, plant: Callable[[dict[str, Any]], None]) -> None:
    history = copy.deepcopy(well())
    plant(history)
    assert {violation.invariant for violation in judge(history)} == {invariant}


def test_a_mix_that_is_listed_with_exit_5_is_an_allowed_end() -> None:
    history = well()
    history["hosts"]["lab2"] = {"before": look("V1"), "after": look("V1")}
    history["commands"] = [{"words": ["rollback"], "code": 5, "errors": [{"host": "lab1"}, {"host": "lab2"}]}]
    assert judge(history) == []


def test_a_gap_across_a_reboot_is_the_hosts_own() -> None:
    history = well()
    history["expect"]["budget_s"] = 30
    host(history)["events"] += [event(100, "V2", "starting", "b2"), event(200, "V2", "started", "b2")]
    host(history)["boot"] = "b2"
    assert judge(history) == []
