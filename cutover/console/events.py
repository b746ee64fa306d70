"""Each record of a journal as plain text: for pipes and CI logs, for the log file, and for the time line of report and incident record."""

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any

from cutover.console.progress import TITLES
from cutover.console.text import clean, count, names, one_line, short
from cutover.core.errors import ExitCode
from cutover.core.times import between
from cutover.core.verdict import Verdict
from cutover.journal.record import Record
from cutover.timeline.timeline import Timeline

WIDEST = max(map(len, TITLES.values()))
IN_TABLES = ("intent", "outcome", "checks", "batch.done")  # the report's tables show these in full
ROLLBACKS = "rollback.log"

Data = dict[str, Any]


class Detail(IntEnum):
    """Who wants to see an event: everybody, whoever asked for --verbose, or the log only."""

    ALWAYS = 0
    VERBOSE = 1
    LOG = 2


@dataclass(frozen=True)
class RunEvent:
    """One thing that happened, to some hosts or to the run; `word` is a verdict or a word of the same width."""

    word: str
    text: str
    hosts: tuple[str, ...] = ()
    detail: Detail = Detail.ALWAYS

    def __str__(self) -> str:
        return f"{self.word}: {one_line(self.text)}{f' ({names(self.hosts)})' if self.hosts else ''}"


def events_of(record: Record) -> list[RunEvent]:
    """The events of a record. A kind that is unknown, or of another version, is shown as raw data."""
    try:
        return list(_EVENTS[record.kind](record.data))
    except (KeyError, TypeError, ValueError):
        raw = json.dumps(record.data, ensure_ascii=False, sort_keys=True)
        return [RunEvent(record.kind, raw, (record.host,) if record.host else (), Detail.LOG)]


def time_line(timeline: Timeline) -> list[dict[str, str]]:
    """The events of a run in words: time, text."""
    return [
        {"at": record.at, "text": f"{TITLES.get(record.phase, record.phase)} {event}".strip()}
        for record in timeline.records
        if record.kind not in IN_TABLES
        for event in events_of(record)
        if event.word != "problem"  # which the gates have named
    ]


def lines_of(record: Record, detail: Detail, host_width: int = 8) -> Iterator[str]:
    """The events of a record as aligned lines with time (UTC) and phase, up to some detail."""
    for event in events_of(record):
        if event.detail <= detail:
            many = len(event.hosts) > 1
            who = count(len(event.hosts), "host") if many else "".join(event.hosts)
            text = f"{event.text} ({names(event.hosts)})" if many else event.text
            phase = TITLES.get(record.phase, record.phase)
            start = f"{record.at[:19]}Z  {phase:<{WIDEST}}  {who:<{host_width}}  {event.word:<12}  "
            yield f"{start}{one_line(text)}".rstrip()


def log_lines(record: Record) -> Iterator[str]:
    """All events of a record, with milliseconds and its number in the journal."""
    for line in lines_of(record, Detail.LOG, host_width=12):
        yield f"{record.at} {record.seq:>5}{line[len('2026-01-01T00:00:00Z') :]}"


class Log:
    """Listens to the journal: logs/cutover_<stamp>.log has every record, logs/rollback.log one line a rollback.

    `say` is called once if the log cannot be written: the journal has everything, and the run goes on.
    """

    def __init__(self, folder: Path, run: str, environment: str, say: Callable[[str], None]) -> None:
        self.path = folder / f"cutover_{run.split('-', maxsplit=1)[0]}.log"
        self._folder, self._run, self._environment, self._say = folder, run, environment, say
        self._began: Record | None = None
        self._broken = False

    def __call__(self, record: Record) -> None:
        """Append a record."""
        if self._broken:
            return
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            _append(self.path, "".join(f"{line}\n" for line in log_lines(record)))
            if record.kind == "rollback.started":
                self._began = record
            elif record.kind == "rollback.finished":
                _append(self._folder / ROLLBACKS, self._rollback_line(record))
        except OSError as failure:
            self._broken = True
            self._say(f"{self.path}: cannot be written ({failure.strerror}); the journal has everything")

    def _rollback_line(self, record: Record) -> str:
        """One line: when, which run, which hosts are back and which are not, how long it took, why."""
        took = short(between(self._began.at, record.at)) if self._began else "unknown"
        back, failed = (",".join(record.data[key]) or "-" for key in ("hosts", "failed"))
        cause = json.dumps(record.data["cause"], ensure_ascii=False)
        return f"{record.at} run={self._run} environment={self._environment} back={back} failed={failed} took={took} cause={cause}\n"


def _append(path: Path, text: str) -> None:
    """In one write, so that lines of several processes do not mix."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(file, text.encode(errors="backslashreplace"))
    finally:
        os.close(file)


def _findings(data: Data, detail: Detail = Detail.ALWAYS) -> Iterator[RunEvent]:
    """The same finding of many hosts is one event."""
    groups: dict[tuple[str, str, str], dict[str, None]] = {}
    for one in data["findings"]:
        groups.setdefault((one["verdict"], one["name"], one["message"]), {})[one["host"]] = None
    for (verdict, name, message), hosts in groups.items():
        yield RunEvent(verdict, f"{name}: {message}", tuple(filter(None, hosts)), detail)


def _gate(data: Data) -> Iterator[RunEvent]:
    yield from _findings(data)
    opens = "the gate opens" if data["opens"] else "the gate stays shut"
    yield RunEvent(data["verdict"], f"{count(data['judged'], 'finding')}: {opens}", tuple(data["hosts"]))


def _outcome(data: Data) -> Iterator[RunEvent]:
    text, hosts = f"{data['id']}: {data['words']} ({data['seconds']:.3f} s)", (data["host"],)
    if data["ok"]:
        detail = Detail.VERBOSE if data["changed"] else Detail.LOG
        yield RunEvent("changed" if data["changed"] else "unchanged", text, hosts, detail)
        return
    why = "; ".join(clean(part) for part in (data["error"], *data["differences"]) if part)
    yield RunEvent("left" if data.get("left") else "failed", f"{text}: {why}", hosts, Detail.VERBOSE)


def _plan(data: Data) -> Iterator[RunEvent]:
    if data["hosts"]:
        batches = " then ".join(names(batch) for batch in data["batches"])
        release = f"release {data['release']} on {count(len(data['hosts']), 'host')}: {batches}"
        yield RunEvent("plan", f"{data['fingerprint'][:12]}: {release}")
    if data.get("already"):
        yield RunEvent(
            "nothing to do", f"release {data['release']} is active already, and healthy", tuple(data["already"])
        )


def _finished(data: Data) -> Iterator[RunEvent]:
    code = ExitCode(data["exit_code"])
    yield RunEvent("end", f"exit {int(code)}: {data['status'] if code is ExitCode.DONE else code.meaning}")
    for one in data.get("problems", []):
        found = ": ".join(part for part in (one["path"], one["found"]) if part)
        yield RunEvent("problem", f"{found}; next: {one['next']}", (one["host"],) if one["host"] else (), Detail.LOG)


def _bake_failed(data: Data) -> Iterator[RunEvent]:
    for one in data["problems"]:
        yield RunEvent(Verdict.FAIL, f"{one['path']}: {one['found']}", (one["host"],) if one["host"] else ())


def _rolled_back(data: Data) -> Iterator[RunEvent]:
    if data["hosts"] or not data["failed"]:
        yield RunEvent("rolled back", "the old release is in service", tuple(data["hosts"]))
    if data["failed"]:
        yield RunEvent(Verdict.FAIL, "NOT rolled back", tuple(data["failed"]))


def _notice(data: Data) -> Iterator[RunEvent]:
    sent = f"sent on {', '.join(data['sent'])}" if data["sent"] else data.get("why", "not sent to anybody")
    yield RunEvent("notice", f"{data['subject']}: {sent}", detail=Detail.VERBOSE)
    for channel, why in data["failed"].items():
        yield RunEvent(Verdict.WARN, f"notice on {channel} failed: {why}")


def _poll(data: Data) -> Iterator[RunEvent]:
    yield RunEvent("go" if data["go"] else "no-go", f"by the checklist ({data['part']}): {data['verdict']}")
    for line in data["lines"]:
        detail = Detail.VERBOSE if line["verdict"] == Verdict.PASS else Detail.ALWAYS
        yield RunEvent(line["verdict"], f"{line['words']}: {line['found']}", detail=detail)


def _one(
    word: str, text: Callable[[Data], str], detail: Detail = Detail.ALWAYS
) -> Callable[[Data], Iterator[RunEvent]]:
    """A kind that is one event, about the `hosts` (or the `host`) that it names."""
    return lambda data: iter(
        [RunEvent(word, text(data), tuple(data.get("hosts") or filter(None, [data.get("host")])), detail)]
    )


_EVENTS: dict[str, Callable[[Data], Iterator[RunEvent]]] = {
    "run.created": _one("run", lambda d: f"{d['run']} of {d['environment']} ({d['pattern']})"),
    "plan.made": _plan,
    "approved": _one("approved", lambda d: f"plan {d['fingerprint'][:12]} by {d['by']}"),
    "run.started": _one("starts", lambda d: d.get("purpose", "cutover")),
    "lease.taken": _one("lease", lambda d: f"held by {d['holder']}: {names(d['tokens'])}", Detail.VERBOSE),
    "lease.released": _one("lease", lambda _: "released", Detail.VERBOSE),
    "lease.lost": _one("lease lost", lambda d: d["found"]),
    "lease.not_renewed": _one(Verdict.WARN, lambda d: f"lease not renewed: {d['found']}"),
    "phase.started": _one("starts", lambda d: d["title"]),
    "intent": _one("intent", lambda d: f"{d['batch']}: {', '.join(d['steps'])}", Detail.LOG),
    "uploaded": _one("sent", lambda d: f"{d['bytes'] / 1e6:.1f} MB to {d['target']}", Detail.VERBOSE),
    "outcome": _outcome,
    "batch.done": _one("worked", lambda d: short(d["seconds"]), Detail.VERBOSE),
    "checks": lambda data: _findings(data, Detail.LOG),
    "gate": _gate,
    "failed": _one(Verdict.ERROR, lambda d: f"{d['found']}; next: {d['next']}"),
    "connection.lost": _one(Verdict.WARN, lambda d: f"connection lost, the host is asked again: {d['found']}"),
    "prepared": _one("prepared", lambda _: "ready to commit; the old release is untouched"),
    "batch.started": _one("batch", lambda d: f"{d['number']} of {d['of']}"),
    "armed": _one("armed", lambda d: f"reverts by itself after {d['confirm_s']:g} s without this run"),
    "bake.started": _one("bake", lambda d: f"watched for {short(d['seconds'])} before the batch counts as good"),
    "bake.done": _one(Verdict.PASS, lambda d: f"stable for {short(d['seconds'])}, {count(d['looks'], 'sample')}"),
    "bake.failed": _bake_failed,
    "confirmed": _one("confirmed", lambda _: "the new release stays; the automatic revert is off"),
    "rollback.started": _one("rollback", lambda d: f"because: {one_line(d['cause'])}"),
    "rollback.finished": _rolled_back,
    "rollback.owed": _one("owed", lambda d: f"a rollback; next: {d['next']}"),
    "resumed": _one("resumed", lambda d: f"by {d['by']}: {d['found']}"),
    "confirming": _one("confirming", lambda _: "every gate opened", Detail.VERBOSE),
    "listener.lost": _one(Verdict.WARN, lambda d: f"{d['listener']} shows no more of this run: {d['found']}"),
    "journal.set_aside": _one(Verdict.WARN, lambda d: f"an earlier journal was renamed to {d['as_']}: {d['found']}"),
    "run.finished": _finished,
    "notice": _notice,
    "poll": _poll,
}
