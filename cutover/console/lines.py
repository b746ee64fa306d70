"""The run as plain lines: who, which phase, what happened. For pipes, CI logs and the log file."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from cutover.console.text import clean, count, names, one_line, short
from cutover.core.errors import ExitCode
from cutover.core.verdict import Verdict
from cutover.journal.record import Record
from cutover.plan.phases import PHASES, ROLLBACK

LABELS = {phase.name: f"{phase.number} {phase.name}" for phase in PHASES} | {ROLLBACK.name: ROLLBACK.name}
WIDEST = max(len(label) for label in LABELS.values())


class Weight(IntEnum):
    """Who wants to see a line: everybody, whoever asked for --verbose, or the log only."""

    ALWAYS = 0
    VERBOSE = 1
    LOG = 2


@dataclass(frozen=True)
class Line:
    """One thing that happened, for one host, several or the run; `what` is a verdict or a word of the same width."""

    what: str
    said: str
    who: str = ""
    weight: Weight = Weight.ALWAYS


def lines_of(record: Record) -> Iterator[Line]:
    """Everything that a record says, most of it on one line. A kind that is not known here is shown as it is."""
    tell = _TELL.get(record.kind)
    as_it_is = Line(record.kind, json.dumps(record.data, ensure_ascii=False, sort_keys=True), record.host, Weight.LOG)
    try:
        yield from list(tell(record.data)) if tell else [as_it_is]
    except (KeyError, TypeError, ValueError):
        yield as_it_is


def shown(record: Record, weight: Weight, host_width: int = 8) -> Iterator[str]:
    """The lines of a record that are wanted, with time (UTC) and phase, aligned."""
    for line in lines_of(record):
        if line.weight <= weight:
            phase = LABELS.get(record.phase, record.phase)
            start = f"{record.at[:19]}Z  {phase:<{WIDEST}}  {line.who:<{host_width}}  {line.what:<12}  "
            yield f"{start}{one_line(line.said)}".rstrip()


def _findings(data: dict[str, Any], weight: Weight) -> Iterator[Line]:
    """The same finding on many hosts is told once."""
    groups: dict[tuple[str, str, str], list[str]] = {}
    for finding in data["findings"]:
        groups.setdefault((finding["verdict"], finding["name"], finding["message"]), []).append(finding["host"])
    for (verdict, name, message), hosts in groups.items():
        yield Line(verdict, f"{name}: {message}" + (f" ({names(hosts)})" if len(hosts) > 1 else ""), who(hosts), weight)


def who(hosts: Sequence[str]) -> str:
    """A host by name, several as a number: the names stand in the text."""
    return hosts[0] if len(hosts) == 1 else count(len(hosts), "host")


def _gate(data: dict[str, Any]) -> Iterator[Line]:
    yield from _findings(data, Weight.ALWAYS)
    opens = "go on" if data["opens"] else "the gate stays shut"
    yield Line(
        data["verdict"], f"{count(data['judged'], 'finding')} on {names(data['hosts'])}: {opens}", who(data["hosts"])
    )


def _outcome(data: dict[str, Any]) -> Iterator[Line]:
    state = "changed" if data["changed"] else "as wanted"
    said = f"{data['id']}: {data['words']} ({data['seconds']:.3f} s)"
    if data["ok"]:
        yield Line(state, said, data["host"], Weight.VERBOSE if data["changed"] else Weight.LOG)
        return
    why = "; ".join(clean(part) for part in (data["error"], *data["differences"]) if part)
    yield Line("left as it is" if data.get("left") else "not so", f"{said}: {why}", data["host"], Weight.VERBOSE)


def _plan(data: dict[str, Any]) -> Iterator[Line]:
    if not data["hosts"]:
        yield Line("plan", f"nothing to do: {names(data['already'])} on release {data['release']} already, and healthy")
        return
    batches = " then ".join(names(batch) for batch in data["batches"])
    yield Line(
        "plan",
        f"{data['fingerprint'][:12]}: release {data['release']} on {count(len(data['hosts']), 'host')}: {batches}",
    )
    if data.get("already"):
        yield Line("nothing to do", f"on this release already, and healthy: {names(data['already'])}")


def _finished(data: dict[str, Any]) -> Iterator[Line]:
    code = ExitCode(data["exit_code"])
    yield Line("end", f"exit {int(code)}: {data['status'] if code is ExitCode.DONE else code.meaning}")
    for problem in data.get("problems", []):
        yield Line(
            "problem", f"{problem['path']}: {problem['found']}; next: {problem['next']}", problem["host"], Weight.LOG
        )


def _bake_failed(data: dict[str, Any]) -> Iterator[Line]:
    for problem in data["problems"]:
        yield Line(Verdict.FAIL, f"{problem['path']}: {problem['found']}", problem["host"])


def _notice(data: dict[str, Any]) -> Iterator[Line]:
    told = f"told on {', '.join(data['sent'])}" if data["sent"] else data.get("why", "nobody was told")
    yield Line("notice", f"{data['subject']}: {told}", weight=Weight.VERBOSE)
    for channel, why in data["failed"].items():
        yield Line(Verdict.WARN, f"notice on {channel} failed: {why}")


def _poll(data: dict[str, Any]) -> Iterator[Line]:
    yield Line("go" if data["go"] else "no-go", f"by the checklist ({data['part']}): {data['verdict']}")
    for line in data["lines"]:
        weight = Weight.VERBOSE if line["verdict"] == Verdict.PASS else Weight.ALWAYS
        yield Line(line["verdict"], f"{line['words']}: {line['found']}", weight=weight)


def _simple(
    what: str, said: Callable[[dict[str, Any]], str], weight: Weight = Weight.ALWAYS, hosts: str = ""
) -> Callable[[dict[str, Any]], Iterator[Line]]:
    """A kind that is one line; `hosts` names the key that holds the hosts it is about."""

    def tell(data: dict[str, Any]) -> Iterator[Line]:
        yield Line(what, said(data), who(data[hosts]) if hosts else data.get("host", ""), weight)

    return tell


_TELL: dict[str, Callable[[dict[str, Any]], Iterator[Line]]] = {
    "run.created": _simple("run", lambda d: f"{d['run']} of {d['environment']} ({d['pattern']})"),
    "plan.made": _plan,
    "approved": _simple("approved", lambda d: f"plan {d['fingerprint'][:12]} by {d['by']}"),
    "run.started": _simple("starts", lambda d: f"{d.get('purpose', 'cutover')} of {names(d['hosts'])}"),
    "lease.taken": _simple("lease", lambda d: f"held by {d['holder']}: {names(d['tokens'])}", Weight.VERBOSE),
    "lease.released": _simple("lease", lambda d: f"given back: {names(d['hosts'])}", Weight.VERBOSE),
    "lease.lost": _simple("lease lost", lambda d: d["found"]),
    "lease.not_renewed": _simple(Verdict.WARN, lambda d: f"the lease was not renewed: {d['found']}"),
    "phase.started": _simple("begins", lambda d: f"{d['title']} on {names(d['hosts'])}", hosts="hosts"),
    "intent": _simple("intent", lambda d: f"{d['batch']}: {', '.join(d['steps'])}", Weight.LOG),
    "uploaded": _simple("sent", lambda d: f"{d['bytes'] / 1e6:.1f} MB to {d['target']}", Weight.VERBOSE),
    "outcome": _outcome,
    "batch.done": _simple("worked", lambda d: short(d["seconds"]), Weight.VERBOSE),
    "checks": lambda data: _findings(data, Weight.LOG),
    "gate": _gate,
    "failed": _simple(Verdict.ERROR, lambda d: f"{d['found']}; next: {d['next']}"),
    "connection.lost": _simple(Verdict.WARN, lambda d: f"connection lost, the host is asked again: {d['found']}"),
    "prepared": _simple("prepared", lambda d: f"{names(d['hosts'])}: ready to commit, V1 untouched"),
    "batch.started": _simple("batch", lambda d: f"{d['number']} of {d['of']}: {names(d['hosts'])}", hosts="hosts"),
    "armed": _simple(
        "armed",
        lambda d: f"{names(d['hosts'])}: goes back by itself after {d['confirm_s']:g} s without this run",
        hosts="hosts",
    ),
    "bake.started": _simple(
        "bake",
        lambda d: f"{names(d['hosts'])}: watched for {short(d['seconds'])} before the batch counts as good",
        hosts="hosts",
    ),
    "bake.done": _simple(
        Verdict.PASS,
        lambda d: f"{names(d['hosts'])}: stable for {short(d['seconds'])}, {count(d['looks'], 'look')}",
        hosts="hosts",
    ),
    "bake.failed": _bake_failed,
    "confirmed": _simple(
        "confirmed",
        lambda d: f"{names(d['hosts'])}: the cutover stands; nothing goes back by itself any more",
        hosts="hosts",
    ),
    "rollback.started": _simple(
        "rollback", lambda d: f"of {names(d['hosts']) or 'no host'}, because: {one_line(d['cause'])}", hosts="hosts"
    ),
    "rollback.finished": _simple(
        "rollback",
        lambda d: (
            f"back on V1: {names(d['hosts']) or 'none'}" + (f"; NOT back: {names(d['failed'])}" if d["failed"] else "")
        ),
    ),
    "rollback.owed": _simple("owed", lambda d: f"a rollback of {names(d['hosts'])}; next: {d['next']}", hosts="hosts"),
    "resumed": _simple("resumed", lambda d: f"by {d['by']}: {d['found']}"),
    "confirming": _simple("confirming", lambda d: names(d["hosts"]), Weight.VERBOSE, hosts="hosts"),
    "journal.set_aside": _simple(
        Verdict.WARN, lambda d: f"an earlier journal was set aside as {d['as_']}: {d['found']}"
    ),
    "run.finished": _finished,
    "notice": _notice,
    "poll": _poll,
}
