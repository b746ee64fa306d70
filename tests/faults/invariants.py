"""The invariants, judged from what was recorded and from nothing else: a history in, violations out.

A history (one JSON document an experiment) has the hosts as they were looked at from behind (look.py), the journals of the
runs, the commands with their ends, and what the experiment allows. The words below are those of docs/guarantees.md.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

History = Mapping[str, Any]
INVARIANTS = {
    "I1": "never two versions writing on a host at the same time",
    "I2": "the end is all V1, all V2, or a mix that is listed, with exit 5",
    "I3": "each tape is processed exactly once",
    "I4": "the journal verifies, and replaying it gives the fleet that is observed",
    "I5": "no process, timer, lock or temporary file is left behind",
    "I6": "the outage is within its budget, and recorded",
    "I7": "what is enabled is what is active",
    "I8": "the same command again changes nothing",
}
START = "0" * 64
# What the outcome of a step says about who is in service, for the replay.
SETS = {"shutdown.old": None, "activation.new": "V2", "rollback.new": None, "rollback.old": "V1"}
CLOCK_S = 1.0  # how far two notes of the same moment may differ
SHORT_S = 0.5  # a gap that nobody has to account for


@dataclass(frozen=True, order=True)
class Violation:
    """What was promised, and is not so."""

    invariant: str
    found: str
    host: str = ""


def judge(history: History) -> list[Violation]:
    """Every violation of every invariant."""
    return [violation for check in CHECKS.values() for violation in check(history)]


def in_service(look: Mapping[str, Any]) -> str:
    """Which version a host runs: V1, V2, both or none."""
    active = [name for name in ("V1", "V2") if look["units"][name]["ActiveState"] in ("active", "reloading")]
    return "none" if not active else "both" if len(active) == 2 else active[0]


def spans(look: Mapping[str, Any], unit: str, first: str, last: tuple[str, ...]) -> list[tuple[float, float, str]]:
    """From the first kind of event to the next of the last kinds, boot by boot: from, until, boot."""
    found: list[tuple[float, float, str]] = []
    began: dict[str, float] = {}
    seen: set[str] = set()
    last_of = {event["boot"]: event["at"] for event in look["events"]}
    for event in look["events"]:
        if event["unit"] != unit:
            continue
        boot = event["boot"]
        if event["what"] == first or (event["what"] == "started" and boot not in began):
            began.setdefault(boot, event["at"])
            seen.add(boot)
        elif event["what"] in last and (boot in began or boot not in seen):
            found.append((began.pop(boot, float("-inf")), event["at"], boot))
            seen.add(boot)
    found += [(at, float("inf") if boot == look["boot"] else last_of[boot], boot) for boot, at in began.items()]
    if not seen and in_service(look) in (unit, "both"):
        found.append((float("-inf"), float("inf"), look["boot"]))
    return sorted(found)


def one_writer(history: History) -> Iterator[Violation]:
    """I1, from the first sign of a start to the proof of a stop, by systemd's own notes; and now."""
    for host, seen in history["hosts"].items():
        ends = ("ended",)
        for v1 in spans(seen["after"], "V1", "starting", ends):
            for v2 in spans(seen["after"], "V2", "starting", ends):
                overlap = min(v1[1], v2[1]) - max(v1[0], v2[0])
                if v1[2] == v2[2] and overlap > 0:
                    yield Violation("I1", f"V1 and V2 both ran for {overlap:.3f} s", host)
        kinds = {process["kind"] for process in seen["after"]["processes"]}
        if {"V1", "V2"} <= kinds:
            yield Violation("I1", "processes of V1 and of V2 are there at the same time", host)


def chosen_end(history: History) -> Iterator[Violation]:
    """I2: V1 has V1's config and release, V2 has others; a mix is listed by the last command that judged the fleet."""
    last = history["commands"][-1]
    listed = {error["host"] for error in last["errors"] if error["host"]} if last["code"] == 5 else set()
    versions = {}
    for host, seen in history["hosts"].items():
        now, v1 = seen["after"], seen["before"]
        versions[host] = in_service(now)
        same = [(now[part] == v1[part]) for part in ("config", "current")]
        if versions[host] == "V1" and not all(same) and host not in listed:
            yield Violation("I2", "V1 runs with another config or release than its own", host)
        if versions[host] == "V2" and any(same) and host not in listed:
            yield Violation("I2", "V2 runs with V1's config or release", host)
        if versions[host] not in ("V1", "V2") and host not in listed:
            yield Violation("I2", f"{versions[host]} in service, and not listed (exit {last['code']})", host)
    if len(set(versions.values())) > 1 and not listed:
        yield Violation("I2", f"a mixed fleet that nobody listed (exit {last['code']}): {versions}")
    allowed = history["expect"]["ends"]
    if set(versions.values()) - set(allowed) and not listed:
        yield Violation("I2", f"ended on {versions}, and only {allowed} were to be expected")


def exactly_once(history: History) -> Iterator[Violation]:
    """I3, from the arrival ledger and the directories."""
    for host, seen in history["hosts"].items():
        tapes = seen["after"]["tapes"]
        ended = Counter(tapes["done"]) + Counter(tapes["rejected"])
        lost = [key for key in tapes["arrived"] if key not in ended]
        if lost:
            yield Violation(
                "I3", f"{len(lost)} of {len(tapes['arrived'])} tapes neither done nor rejected: {lost[0][:12]}", host
            )
        if twice := [key for key, times in ended.items() if times > 1]:
            yield Violation("I3", f"{len(twice)} tapes done twice: {twice[0][:12]}", host)
        if unknown := set(ended) - set(tapes["arrived_by_now"]):
            yield Violation("I3", f"{len(unknown)} tapes ended that never arrived: {min(unknown)[:12]}", host)


def chain_breaks(lines: list[str]) -> str:
    """Where a journal's chain does not hold; empty where it does. Not the product's own code: the format is the promise."""
    before = START
    for number, text in enumerate(lines, start=1):
        try:
            record = json.loads(text)
        except ValueError:
            return f"line {number} is not a record"
        body = {key: record[key] for key in ("seq", "at", "kind", "data", "prev")}
        digest = hashlib.sha256(json.dumps(body, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
        if record["seq"] != number or record["prev"] != before or record["hash"] != digest:
            return f"record {number} does not follow record {number - 1}"
        before = record["hash"]
    return ""


def replayed(history: History) -> dict[str, str | None]:
    """Who is in service on each host, by the journals alone. Hosts begin on V1."""
    versions: dict[str, str | None] = dict.fromkeys(history["hosts"], history["expect"].get("began", "V1"))
    records = [json.loads(line) for lines in history["journals"].values() for line in lines]
    outcomes = [record for record in records if record["kind"] == "outcome"]
    # By when it happened, not by when it was written down: a controller that slept writes late what it had heard before.
    for record in sorted(outcomes, key=lambda record: str(record["data"].get("finished_at", record["at"]))):
        data = record["data"]
        if data["ok"] and data["id"] in SETS and data["host"] in versions:
            versions[data["host"]] = SETS[data["id"]]
    return versions


def journal_holds(history: History) -> Iterator[Violation]:
    """I4: each chain verifies, and the replay gives what is there. Hosts that were listed are a person's."""
    for run, lines in history["journals"].items():
        if broken := chain_breaks(lines):
            yield Violation("I4", f"journal of {run}: {broken}")
            return
    listed = {error["host"] for command in history["commands"] if command["code"] == 5 for error in command["errors"]}
    for host, version in replayed(history).items():
        now = in_service(history["hosts"][host]["after"])
        if version != now and host not in listed:
            yield Violation("I4", f"by the journals {version} is in service; in fact {now} is", host)


def nothing_left(history: History) -> Iterator[Violation]:
    """I5, on the hosts and on the controller."""
    home = {"V1": "abaco-pipeline-v1.service", "V2": "abaco-pipeline-v2.service"}
    for host, seen in history["hosts"].items():
        now = seen["after"]
        for process in now["processes"]:
            if process["unit"] != home.get(process["kind"]):
                yield Violation(
                    "I5", f"a process of nobody: {process['command'][:80]} in {process['unit'] or 'no unit'}", host
                )
        for what in ("engine_units", "temporary", "locks"):
            if now[what]:
                yield Violation("I5", f"left behind ({what}): {', '.join(now[what][:4])}", host)
        if now["armed"]:
            yield Violation("I5", "a revert is still armed", host)
        if now["lease"] and now["lease"]["held"]:
            yield Violation("I5", f"the lease of run {now['lease']['run']} still keeps others out", host)
    for left in history["left_running"]:
        yield Violation("I5", f"on the controller: {left}")


def _moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def recorded_gaps(history: History) -> dict[str, list[tuple[float, float]]]:
    """Stretches without service that the journals know of; and those that the experiment made itself, which none can know."""
    by_us = [(begin, end) for begin, end in history.get("by_us", [])]
    found: dict[str, list[tuple[float, float]]] = {host: [*by_us] for host in history["hosts"]}
    for lines in history["journals"].values():
        for record in map(json.loads, lines):
            after = (record["data"].get("after") or {}) if record["kind"] == "outcome" else {}
            if isinstance(after.get("gap_s"), int | float) and record["data"]["host"] in found:
                found[record["data"]["host"]].append((_moment(after["from"]), _moment(after["until"])))
    return found


def unwritten(history: History) -> bool:
    """Whether a command said itself that its journal could not be written (a full disk): what is missing there is listed."""
    return any(
        error.get("path", "").endswith("journal.jsonl") for one in history["commands"] for error in one["errors"]
    )


def outage_known(history: History) -> Iterator[Violation]:
    """I6: from the request to stop until ready, by systemd's own notes. A gap across two boots is the host's own."""
    recorded = recorded_gaps(history)
    for host, seen in history["hosts"].items():
        ready = sorted(
            span
            for unit in ("V1", "V2")
            for span in spans(seen["after"], unit, "started", ("stopping", "exited", "ended"))
        )
        for before, after in pairwise(ready):
            gap = after[0] - before[1]
            if before[2] != after[2] or gap <= 0:
                continue
            if gap > history["expect"]["budget_s"]:
                yield Violation(
                    "I6", f"{gap:.1f} s without service; {history['expect']['budget_s']} s were allowed", host
                )
            known = [one for one in recorded[host] if one[0] <= before[1] + CLOCK_S and one[1] >= after[0] - CLOCK_S]
            if gap > SHORT_S and not known and not unwritten(history):
                yield Violation("I6", f"{gap:.1f} s without service are in no journal", host)


def survives_reboot(history: History) -> Iterator[Violation]:
    """I7: else a reboot would change who is in service."""
    listed = {error["host"] for command in history["commands"] if command["code"] == 5 for error in command["errors"]}
    for host, seen in history["hosts"].items():
        for name, unit in seen["after"]["units"].items():
            active, enabled = unit["ActiveState"] == "active", unit["UnitFileState"] == "enabled"
            if active != enabled and host not in listed:
                yield Violation(
                    "I7", f"{name} is {unit['ActiveState']} and {unit['UnitFileState'] or 'not installed'}", host
                )


def again_changes_nothing(history: History) -> Iterator[Violation]:
    """I8, where the command was given again."""
    again = history.get("again")
    if again and again["changed"]:
        yield Violation("I8", f"`{again['command']}` again changed {again['changed']}")
    if again and again["code"] not in again["codes"]:
        yield Violation("I8", f"`{again['command']}` again ended with {again['code']}")


CHECKS: dict[str, Callable[[History], Iterator[Violation]]] = {
    "I1": one_writer,
    "I2": chosen_end,
    "I3": exactly_once,
    "I4": journal_holds,
    "I5": nothing_left,
    "I6": outage_known,
    "I7": survives_reboot,
    "I8": again_changes_nothing,
}
