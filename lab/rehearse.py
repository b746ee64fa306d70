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
from cutover.timeline.outages import outages
from cutover.timeline.presentation import presentation
from cutover.timeline.timeline import read_story
from lab.commands import make

HOSTS = "lab"
PARTS = ("cutover", "rollback", "cutover again")
SETTLE_S = 30.0  # for the tapes under way to be done, once nothing more is delivered

# Run on a host: what was delivered, what became of it, and what happened to a tape twice.
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
class Leg:
    """One part of the rehearsal: what it was, its run, and how long it took from the command to its end."""

    name: str
    run: RunDir
    seconds: float
    away: dict[str, float]  # by host: how many seconds it was without service in this part


def rehearse(root: Path, count: int, *, json: bool, verbose: bool) -> ExitCode:
    """Everything for real, on fresh hosts: a lab that is up goes first. Ends on V2."""
    return end(Ask(root, "rehearse", json, yes=True, verbose=verbose), lambda ask: _told(ask, count))


def _told(ask: Ask, count: int) -> ExitCode:
    """The parts tell people on stdout, as a user's own commands do; with --json that belongs to our one document."""
    with redirect_stdout(ask.stream):
        return _rehearse(ask, count)


def _rehearse(ask: Ask, count: int) -> ExitCode:
    started = time.monotonic()
    lab.Lab.from_environment().seats(count)  # a count that makes no lab takes none away either
    lab.down(tell=ask.progress)
    hosts = make(ask, count)
    _wait_for_tapes(hosts)
    ready = time.monotonic() - started
    ask.hosts = {host: {"outage_s": {}} for host in hosts}
    ask.more |= {"ready_s": round(ready, 3), "parts": []}
    legs = [_leg(ask, name) for name in PARTS]
    tapes = _settled(hosts)
    for host in hosts:
        ask.hosts[host]["tapes"] = tapes[host]
    _tell(ask, legs, tapes, ready, time.monotonic() - started)
    return ExitCode.DONE


def _leg(ask: Ask, name: str) -> Leg:
    """One command, as a user gives it; its end is ours."""
    ask.progress(f"\n=== rehearsal: {name} ===")
    began = time.monotonic()
    options = RunOptions(ask.root, name.split(maxsplit=1)[0], HOSTS, reason="rehearsal", yes=True, verbose=ask.verbose)
    code = rollback(options) if name == "rollback" else cutover(options)
    if code is not ExitCode.DONE:
        raise _Ended(code, name)
    run = RunDirs(ask.root / ".cutover" / "runs").last(HOSTS)
    if run is None:
        raise Refused(Problem(found=f"{name} left no run behind", next="this is a bug of ours"))
    leg = Leg(name, run, time.monotonic() - began, _away(ask.root, run))
    _record(ask, leg)
    return leg


def _away(root: Path, run: RunDir) -> dict[str, float]:
    """How long each host was without service in the part of the run that has just ended."""
    found = outages(read_story(run.journal_file), presentation(root, run.service()).outage)
    return {outage.host: outage.stretches[-1].seconds for outage in found if outage.stretches}


def _record(ask: Ask, leg: Leg) -> None:
    """Put a part that has ended into the document of --json, where it stays should a later one fail."""
    ask.run_id = leg.run.id
    ask.more["report"] = str(leg.run.report)
    ask.more["parts"].append({"part": leg.name, "run_id": leg.run.id, "seconds": round(leg.seconds, 3)})
    for host, seconds in leg.away.items():
        ask.hosts[host]["outage_s"][leg.name] = round(seconds, 3)


class _Ended(CutoverError):
    """A part of the rehearsal ended with another code than 0; the rehearsal ends with the same."""

    def __init__(self, code: ExitCode, name: str) -> None:
        super().__init__(
            Problem(
                path=f"rehearsal: {name}",
                found=f"it ended with exit code {int(code)}",
                next="see its own messages above",
            )
        )
        self.exit_code = code


def _wait_for_tapes(hosts: tuple[str, ...]) -> None:
    """Until V1 has done a tape on every host: without one there is nothing to judge V2 by."""
    deadline = time.monotonic() + SETTLE_S
    while any(_count(host)["done"] == 0 for host in hosts):
        if time.monotonic() > deadline:
            raise Refused(
                Problem(
                    found=f"V1 has done no tape within {SETTLE_S:g} s on some host",
                    next="see lab-tapes.service and V1's journal on the hosts",
                )
            )
        time.sleep(0.2)


def _settled(hosts: tuple[str, ...]) -> dict[str, dict[str, int]]:
    """Stop the stream, wait until every tape has ended, count, and let the stream go on. A tape lost or done twice ends the rehearsal."""
    for host in hosts:
        lab.exec_in(host, ["systemctl", "stop", "lab-tapes.service"])
    deadline = time.monotonic() + SETTLE_S
    while True:
        tapes = {host: _count(host) for host in hosts}
        if all(one["lost"] == 0 for one in tapes.values()) or time.monotonic() > deadline:
            break
        time.sleep(0.2)
    for host in hosts:
        lab.exec_in(host, ["systemctl", "start", "lab-tapes.service"])
    wrong = [
        Problem(
            host=host,
            found=f"{one['lost']} tapes lost, {one['twice']} done twice, of {one['delivered']}",
            next="see V1's and V2's audit trails on the host",
        )
        for host, one in tapes.items()
        if one["lost"] or one["twice"]
    ]
    if wrong:
        raise Refused(wrong)
    return tapes


def _count(host: str) -> dict[str, int]:
    said = lab.exec_in(host, ["python3", "-c", COUNT])
    if said.exit_code != 0:
        next_ = "see /var/lib/abaco on the host: V1 or the stream of tapes is not as lab.up left it"
        raise Refused(
            Problem(host=host, found=f"its tapes cannot be counted: {said.stderr.strip()[-300:]}", next=next_)
        )
    counted: dict[str, int] = jsonlib.loads(said.stdout)
    return counted


def _tell(ask: Ask, legs: list[Leg], tapes: dict[str, dict[str, int]], ready: float, total: float) -> None:
    ask.say(f"\nrehearsal: {total:.1f} s in all; test hosts with V1 in service after {ready:.1f} s")
    for leg in legs:
        away = ", ".join(f"{host} {seconds:.2f} s" for host, seconds in leg.away.items())
        ask.say(f"  {leg.name:14} {leg.seconds:5.1f} s   without service: {away}")
    for host, one in tapes.items():
        ended = f"{one['done']} done, {one['rejected']} rejected, {one['lost']} lost, {one['twice']} twice"
        ask.say(f"  {host:14} {one['delivered']} tapes delivered: {ended}")
    ask.say(f"\nreport: {legs[-1].run.report}")
