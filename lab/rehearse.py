"""`rehearse`: the whole job on fresh test hosts. V1 in service under a stream of tapes, to V2, back, and to V2 again."""

import json as jsonlib
import time
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import lab
from cutover.cli.app import end
from cutover.cli.cutover import cutover
from cutover.cli.rollback import rollback
from cutover.console.ask import Ask
from cutover.core.errors import CutoverError, ExitCode, Problem, Refused
from cutover.journal.rundir import RunDir, RunDirs
from cutover.run.options import RunOptions
from cutover.timeline.view import view_of
from lab.service import TAPES, make_hosts
from lab.system import until

HOSTS = "lab"
PARTS = ("cutover", "rollback", "cutover again")
SETTLE_S = 30.0  # to finish the tapes that were delivered, once the stream has stopped

# Runs on a host: what was delivered, what became of it, and which tapes were processed twice.
COUNT = """
import json, pathlib
root = pathlib.Path("/var/lib/abaco")
ledger = root / "arrivals.jsonl"  # begins with the first tape
arrived = [json.loads(line)["sha256"] for line in ledger.read_text().splitlines()] if ledger.exists() else []
files = lambda folder: [path for path in (root / folder).iterdir() if path.is_file() and not path.name.endswith(".reason.json")]
keys = lambda folder: [path.name.split("__")[0] for path in files(folder)]
done, rejected = keys("done"), keys("rejected")
ended = done + rejected
# By name, which comes of the content: what V1 wrote lies in the last snapshots of the runs as well.
of_v1 = [*root.glob("metrics/v1_*.json"), *pathlib.Path("/var/lib/cutover/abaco/.rollback").glob("*/final/metrics_backup/v1_*.json")]
print(json.dumps({
    "delivered": len(arrived), "different": len(set(arrived)), "done": len(done), "rejected": len(rejected),
    "waiting": len(files("inbox") + files("processing")),
    "twice": len(ended) - len(set(ended)), "lost": len(set(arrived) - set(ended)),
    "by_v1": len({path.name for path in of_v1}), "by_v2": len(list(root.glob("metrics/v2_*.manifest.json"))),
}))
"""


@dataclass(frozen=True)
class RehearsalPart:
    """One command of the rehearsal: its run, its seconds from start to end, and by host the seconds without service."""

    name: str
    run: RunDir
    seconds: float
    outage_s: dict[str, float]


class PartFailed(CutoverError):
    """A command of the rehearsal failed; the rehearsal ends with its exit code."""

    def __init__(self, code: ExitCode, name: str) -> None:
        found = f"it ended with exit code {int(code)}"
        super().__init__(Problem(path=f"rehearsal: {name}", found=found, next="see its own messages above"))
        self.exit_code = code


def rehearse(root: Path, count: int, *, json: bool, verbose: bool) -> ExitCode:
    """Run everything for real on fresh hosts; a lab that is up is removed first. Ends on V2."""
    return end(Ask(root, "rehearse", json, yes=True, verbose=verbose), lambda ask: _rehearse(ask, count))


def _rehearse(ask: Ask, count: int) -> ExitCode:
    started = time.monotonic()
    lab.Lab.from_environment().slots(count)  # a count that makes no lab removes none either
    with redirect_stdout(ask.stream):  # where the commands print for people; with --json stdout is for the one document
        lab.down(progress=ask.progress)
        hosts = make_hosts(ask.root, count, ask.progress)
        _wait_for_tapes(hosts)
        ready = time.monotonic() - started
        ask.hosts = {host: {"outage_s": {}} for host in hosts}
        ask.more |= {"ready_s": round(ready, 3), "parts": []}
        parts = [_part(ask, name) for name in PARTS]
        tapes = _settled(hosts)
        for host in hosts:
            ask.hosts[host]["tapes"] = tapes[host]
        ask.say(f"\nrehearsal: {time.monotonic() - started:.1f} s in all; hosts with V1 in service after {ready:.1f} s")
        for part in parts:
            outage = ", ".join(f"{host} {seconds:.2f} s" for host, seconds in part.outage_s.items())
            ask.say(f"  {part.name:14} {part.seconds:5.1f} s   without service: {outage}")
        for host, one in tapes.items():
            ended = f"{one['done']} done, {one['rejected']} rejected, {one['lost']} lost, {one['twice']} twice"
            ask.say(f"  {host:14} {one['delivered']} tapes delivered: {ended}")
        ask.say(f"\nreport: {parts[-1].run.report}")
    return ExitCode.DONE


def _part(ask: Ask, name: str) -> RehearsalPart:
    """Run one command as a user does; put what it measured into the document, where it stays should a later one fail."""
    ask.progress(f"\n=== rehearsal: {name} ===")
    began = time.monotonic()
    options = RunOptions(ask.root, name.split(maxsplit=1)[0], HOSTS, reason="rehearsal", yes=True, verbose=ask.verbose)
    code = rollback(options) if name == "rollback" else cutover(options)
    if code is not ExitCode.DONE:
        raise PartFailed(code, name)
    run = RunDirs(ask.root / ".cutover" / "runs").last(HOSTS)
    if run is None:
        raise Refused(Problem(found=f"{name} left no run", next="please report this bug"))
    part = RehearsalPart(name, run, time.monotonic() - began, _outages(ask.root, run))
    ask.run_id = run.id
    ask.more["report"] = str(run.report)
    ask.more["parts"].append({"part": name, "run_id": run.id, "seconds": round(part.seconds, 3)})
    for host, seconds in part.outage_s.items():
        ask.hosts[host]["outage_s"][name] = round(seconds, 3)
    return part


def _outages(root: Path, run: RunDir) -> dict[str, float]:
    """Seconds without service on each host, in the part of the run that has just ended."""
    found = view_of(run, root).outages
    return {outage.host: outage.intervals[-1].seconds for outage in found if outage.intervals}


def _wait_for_tapes(hosts: tuple[str, ...]) -> None:
    """Wait until V1 has processed a tape on every host: without one there is nothing to compare V2 with."""
    if not until(lambda: all(_count(host)["done"] for host in hosts), seconds=SETTLE_S, every=0.2):
        found = f"V1 processed no tape within {SETTLE_S:g} s on at least one host"
        raise Refused(Problem(found=found, next=f"read the journal of {TAPES} and of V1 on the hosts"))


def _settled(hosts: tuple[str, ...]) -> dict[str, dict[str, int]]:
    """Stop the stream, wait until every tape has ended, count, start the stream again. Refused for a tape lost or processed twice."""
    tapes: dict[str, dict[str, int]] = {}

    def all_ended() -> bool:
        tapes.update({host: _count(host) for host in hosts})
        return not any(one["lost"] for one in tapes.values())

    _stream(hosts, "stop")
    until(all_ended, seconds=SETTLE_S, every=0.2)
    _stream(hosts, "start")
    problems = [
        Problem(
            host=host,
            found=f"{one['lost']} tapes lost, {one['twice']} processed twice, of {one['delivered']}",
            next="read the audit trails of V1 and V2 on the host",
        )
        for host, one in tapes.items()
        if one["lost"] or one["twice"]
    ]
    if problems:
        raise Refused(problems)
    return tapes


def _stream(hosts: tuple[str, ...], verb: str) -> None:
    for host in hosts:
        lab.exec_in(host, ["systemctl", verb, TAPES])


def _count(host: str) -> dict[str, int]:
    done = lab.exec_in(host, ["python3", "-c", COUNT])
    if done.exit_code != 0:
        found = f"its tapes cannot be counted: {done.stderr.strip()[-300:]}"
        next_ = "see /var/lib/abaco on the host: V1 or the stream of tapes is not as lab.up left it"
        raise Refused(Problem(host=host, found=found, next=next_))
    return dict(jsonlib.loads(done.stdout))
