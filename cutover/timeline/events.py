"""Each record of a journal in plain words, for time lines. What only repeats what a phase says is left to the phase."""

from collections.abc import Callable, Mapping
from typing import Any

from cutover.journal.record import Record
from cutover.timeline.moments import clock
from cutover.timeline.timeline import Story

Data = Mapping[str, Any]


def listed(hosts: Any) -> str:
    """Host names as a list, cut short where there are many."""
    names = list(hosts)
    return ", ".join(names) if len(names) <= 8 else f"{', '.join(names[:6])} and {len(names) - 6} more"


def _gate(data: Data) -> str:
    opened = "the gate opened" if data["opens"] else "the gate stayed shut"
    return f"{data['phase']} on {listed(data['hosts'])}: {data['verdict']} ({data['judged']} judged), {opened}"


def _finished(data: Data) -> str:
    return f"run ended: {data['status']}, exit code {data['exit_code']}"


def _started(data: Data) -> str:
    if "purpose" in data:
        return f"{data['purpose']} begun on {listed(data['hosts'])}"
    return f"run started from plan {data['fingerprint'][:12]} on {listed(data['hosts'])}"


def _notice(data: Data) -> str:
    sent, failed = ", ".join(data["sent"]), "; ".join(f"{name}: {why}" for name, why in data["failed"].items())
    told = f"told on {sent}" if sent else data.get("why", "nobody was told")
    return f"notice «{data['subject']}» to {', '.join(data['roles'])}: {told}" + (
        f"; failed: {failed}" if failed else ""
    )


def _poll(data: Data) -> str:
    said = [f"{line['id']} {line['answer']} by {line['by']}" for line in data["lines"] if line.get("by")]
    left = [line["id"] for line in data["lines"] if line["verdict"] == "INCONCLUSIVE"]
    return (
        f"{'go' if data['go'] else 'no-go'} by the checklist ({data['part']}): {', '.join(said) or 'no person has answered'}"
        + (f"; open: {', '.join(left)}" if left else "")
    )


def _rolled_back(data: Data) -> str:
    failed = f"; not back: {listed(data['failed'])}" if data["failed"] else ""
    return f"rollback ended; back on V1: {listed(data['hosts']) or 'none'}{failed}"


WORDS: dict[str, Callable[[Data], str]] = {
    "run.created": lambda data: f"run {data['run']} created for «{data['pattern']}» in {data['environment']}",
    "plan.made": lambda data: (
        f"plan {data['fingerprint'][:12]} made: release {data['release']} on {listed(data['hosts']) or 'no host'}"
    ),
    "approved": lambda data: f"plan approved by {data.get('by', 'a person')}",
    "run.started": _started,
    "lease.taken": lambda data: (
        f"hosts held by {data['holder']}, fencing tokens {', '.join(f'{name} {token}' for name, token in data['tokens'].items())}"
    ),
    "uploaded": lambda data: f"release sent to {data['host']}: {data['bytes'] / 1e6:.1f} MB, verified by digest",
    "phase.started": lambda data: f"{data['title']} started on {listed(data['hosts'])}",
    "gate": _gate,
    "prepared": lambda data: f"all prepared: {listed(data['hosts'])}; V1 not touched so far",
    "batch.started": lambda data: f"batch {data['number']} of {data['of']}: {listed(data['hosts'])}",
    "armed": lambda data: f"{listed(data['hosts'])} would go back by itself after {data['confirm_s']:g} s of silence",
    "bake.started": lambda data: f"watching {listed(data['hosts'])} for {data['seconds']:g} s",
    "bake.done": lambda data: (
        f"{listed(data['hosts'])} stayed stable for {data['seconds']:g} s ({data['looks']} looks)"
    ),
    "bake.failed": lambda data: "did not stay stable: " + "; ".join(problem["found"] for problem in data["problems"]),
    "confirmed": lambda data: f"confirmed: {listed(data['hosts'])} stay on V2",
    "rollback.started": lambda data: (
        f"rollback of {listed(data['hosts']) or 'no host'} started; cause: {data['cause']}"
    ),
    "rollback.finished": _rolled_back,
    "rollback.owed": lambda data: f"owed a rollback: {listed(data['hosts'])}; {data['next']}",
    "resumed": lambda data: f"taken up again by {data['by']}: {data['found']}",
    "confirming": lambda data: f"every gate was passed: {listed(data['hosts'])} are being told to stay on V2",
    "journal.set_aside": lambda data: f"an earlier journal of this run was set aside as {data['as_']}: {data['found']}",
    "connection.lost": lambda data: (
        f"connection to {data['host']} lost in {data['phase']}: {data['found']}; its result was asked for again"
    ),
    "failed": lambda data: f"{data['host']} failed in {data['phase']}: {data['found']}",
    "lease.lost": lambda data: f"lease of {data['host']} lost: {data['found']}",
    "lease.not_renewed": lambda data: f"lease of {data['host']} not renewed: {data['found']}",
    "lease.released": lambda data: f"hosts given back: {listed(data['hosts'])}",
    "run.finished": _finished,
    "notice": _notice,
    "poll": _poll,
    "intent": lambda data: f"{data['host']} is about to do {len(data['steps'])} steps of {data['phase']}",
    "outcome": lambda data: f"{data['host']}: {data['words']}: {'holds' if data['ok'] else 'does not hold'}",
    "checks": lambda data: f"{len(data['findings'])} checks of {data['phase']} answered",
    "batch.done": lambda data: f"{data['host']} has done its steps of {data['phase']} in {data['seconds']:g} s",
}
QUIET = ("intent", "outcome", "checks", "batch.done")  # the tables of the phases show these in full


def in_words(record: Record) -> str:
    """One record as a sentence; what is not known here, or was written by another version, is shown as it is."""
    try:
        return WORDS[record.kind](record.data)
    except KeyError:  # an unknown kind, or a record without a key that this version writes
        return f"{record.kind}: {', '.join(f'{key} {value}' for key, value in record.data.items())}"


def told(story: Story) -> list[dict[str, str]]:
    """The time line: record number, time, kind and words."""
    return [
        {
            "seq": str(record.seq),
            "at": record.at,
            "clock": clock(record.at),
            "kind": record.kind,
            "words": in_words(record),
        }
        for record in story.records
        if record.kind not in QUIET
    ]
