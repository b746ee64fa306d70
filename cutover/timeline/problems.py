"""Everything in a journal that was not as expected: findings of gates, failures, lost connections and leases; equal ones as one."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from cutover.core.errors import Problem
from cutover.core.verdict import Verdict, worst
from cutover.journal.record import Record
from cutover.timeline.timeline import Timeline

CONSEQUENCE = "left out: it needs"  # how the host says that a step was not tried because another failed (agent/work.py)
WHERE_IT_ENDED = ("rolled back:", "no host was touched")  # which the verdict of a run says already
LOST = {
    "connection.lost": ("connection lost", "nothing: the host is asked for the result again"),
    "lease.lost": ("lease lost", "see `./invokew status`"),
    "lease.not_renewed": ("lease not renewed", "nothing: it is tried again"),
}

Judged = tuple[Verdict, Problem]


@dataclass(frozen=True)
class Grouped:
    """A problem and all hosts that have it (none where it is not about a host)."""

    verdict: Verdict
    problem: Problem
    hosts: tuple[str, ...]
    left_out: int = 0  # steps that were not tried because of it


def problems_of(timeline: Timeline) -> list[Judged]:
    """Every problem in the journal once: first what shuts a gate, then the warnings, each in the order of time."""
    found: dict[Problem, Verdict] = {}
    for record in timeline.records:
        for verdict, problem in problems_in(record):
            if record.kind != "run.finished" or problem not in found:  # the gate's own verdict says more
                found[problem] = worst([verdict, found.get(problem, Verdict.PASS)])
    return sorted(((verdict, problem) for problem, verdict in found.items()), key=lambda pair: pair[0].lets_pass)


def problems_in(record: Record) -> list[Judged]:
    """The problems that a record names."""
    data, host = record.data, record.host
    if record.kind == "gate":
        return [
            (
                Verdict(one["verdict"]),
                Problem(one["message"], one["next"] or "see the report", one["host"], one["name"]),
            )
            for one in data["findings"]
        ]
    if record.kind in ("run.finished", "bake.failed"):
        problems = [Problem(**problem) for problem in data.get("problems", ())]
        return [(Verdict.FAIL, one) for one in problems if not one.found.startswith(WHERE_IT_ENDED)]
    if record.kind == "failed":
        return [(Verdict.ERROR, Problem(data["found"], data["next"], host, f"{record.phase}.remote"))]
    if record.kind in LOST:
        what, next_ = LOST[record.kind]
        return [(Verdict.WARN, Problem(f"{what}: {data['found']}", next_, host))]
    if record.kind == "lease.released":
        next_ = "nothing: it expires by itself"
        failed = data.get("failed", {}).items()
        return [(Verdict.WARN, Problem(f"the lease was not released: {why}", next_, name)) for name, why in failed]
    return []


def is_consequence(problem: Problem) -> bool:
    """Whether a step only was not tried because another one had failed."""
    return CONSEQUENCE in problem.found


def grouped(problems: Iterable[Judged]) -> list[Grouped]:
    """Equal problems of several hosts as one; what only follows from the first problem of its host is counted there."""
    everything = list(problems)
    causes = [(verdict, one) for verdict, one in everything if not is_consequence(one)]
    with_cause = {one.host for _, one in causes}
    follow = Counter(one.host for _, one in everything if is_consequence(one) and one.host in with_cause)
    groups: dict[tuple[str, str, str, int], list[Judged]] = {}
    for verdict, one in [*causes, *(pair for pair in everything if pair[1].host not in with_cause)]:
        key = (one.path, without_host(one.found, one.host), one.next, follow.pop(one.host, 0))
        groups.setdefault(key, []).append((verdict, one))
    return [_together(alike, found, left_out) for (_, found, _, left_out), alike in groups.items()]


def _together(alike: list[Judged], found: str, left_out: int) -> Grouped:
    hosts = tuple(dict.fromkeys(one.host for _, one in alike if one.host))
    first = alike[0][1]
    problem = Problem(found if len(hosts) > 1 else first.found, first.next, "", first.path)
    return Grouped(worst(verdict for verdict, _ in alike), problem, hosts, left_out)


def without_host(found: str, host: str) -> str:
    """What was found, with the host's own name taken out, so that the same finding of several hosts is the same."""
    return re.sub(rf"(?<![\w.-]){re.escape(host)}(?![\w.-])", "<host>", found) if host else found
