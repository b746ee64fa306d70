"""What was verified in each phase: every step and every check, what was found and what was expected, equal hosts together."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cutover.agent.compare import describe, dig, unit_of
from cutover.core.step import Step
from cutover.core.verdict import Verdict, worst
from cutover.plan.phases import PHASES, ROLLBACK, Phase
from cutover.plan.plan import Plan
from cutover.timeline.presentation import Presentation
from cutover.timeline.timeline import Timeline

Lines = tuple[tuple[str, str], ...]  # what was found, and what was expected where that is not the same


@dataclass(frozen=True)
class SameOnHosts:
    """What some hosts had in common: their verdict and what was found there, with the longest time it took."""

    hosts: tuple[str, ...]
    verdict: Verdict
    lines: Lines
    changed: bool
    seconds: float


@dataclass(frozen=True)
class Item:
    """One step or check of a phase over all its hosts; of a step that ran a command, what it measured on each host."""

    name: str
    words: str
    found: tuple[SameOnHosts, ...]
    documents: Mapping[str, Any] = field(default_factory=dict)

    @property
    def verdict(self) -> Verdict:
        """The worst over the hosts."""
        return worst(found.verdict for found in self.found)


@dataclass(frozen=True)
class VerifiedPhase:
    """One phase: what it is to prove, its verdict, and every item."""

    phase: Phase
    hosts: tuple[str, ...]
    verdict: Verdict
    judged: int
    items: tuple[Item, ...]


def verified(timeline: Timeline, plan: Plan, shown: Presentation) -> list[VerifiedPhase]:
    """All phases that were begun."""
    phases = (_phase(timeline, plan, shown, phase) for phase in (*PHASES, ROLLBACK))
    return [phase for phase in phases if phase.hosts]


def _phase(timeline: Timeline, plan: Plan, shown: Presentation, phase: Phase) -> VerifiedPhase:
    spans = [span for span in timeline.spans if span.name == phase.name]
    hosts = tuple(host for host in timeline.hosts if any(host in span.hosts for span in spans))
    steps: dict[str, dict[str, Step]] = {}  # by id and host
    for host in (host for host in hosts if host in plan.hosts):
        for step in plan.hosts[host].of(phase):
            steps.setdefault(step.id, {})[host] = step
    items = [_step(timeline, shown, on_hosts) for on_hosts in steps.values()] + _checks(timeline, phase)
    items.sort(key=lambda item: item.verdict is Verdict.PASS)  # what was not PASS comes first
    verdict = worst(span.verdict or Verdict.INCONCLUSIVE for span in spans)
    return VerifiedPhase(phase, hosts, verdict, sum(span.judged for span in spans), tuple(items))


def _step(timeline: Timeline, shown: Presentation, on_hosts: dict[str, Step]) -> Item:
    first = next(iter(on_hosts.values()))
    outcomes = {host: timeline.outcomes.get((host, first.id)) for host in on_hosts}
    found = _together(
        (host, *_judged(on_hosts[host], outcome), float(outcome["seconds"]) if outcome else 0.0)
        for host, outcome in outcomes.items()
    )
    measured = {}
    if first.kind == "command" and first.id != shown.validation.step:  # the validation has a section of its own
        documents = {host: timeline.document(host, first.id) for host in on_hosts}
        measured = {host: document for host, document in documents.items() if document is not None}
    return Item(first.id, first.words, found, measured)


def _together(found: Iterable[tuple[str, Verdict, Lines, bool, float]]) -> tuple[SameOnHosts, ...]:
    groups: dict[tuple[Verdict, Lines, bool], list[tuple[str, float]]] = {}
    for host, verdict, lines, changed, seconds in found:
        groups.setdefault((verdict, lines, changed), []).append((host, seconds))
    return tuple(
        SameOnHosts(tuple(host for host, _ in members), *key, max(seconds for _, seconds in members))
        for key, members in groups.items()
    )


def _judged(step: Step, outcome: dict[str, Any] | None) -> tuple[Verdict, Lines, bool]:
    """The verdict, the found value of each desired key (or what differs), whether something was changed."""
    if outcome is None:
        return Verdict.INCONCLUSIVE, (("not run", ""),), False
    after, changed = outcome["after"], bool(outcome["changed"])
    if outcome["ok"]:
        seen = ((key, dig(after, key), want) for key, want in step.desired.items())
        lines = tuple(
            (f"{key}: {_short(was)}", "" if was == want else describe(want, unit_of(key))) for key, was, want in seen
        )
        everything = ((f"{key}: {_short(one)}", "") for key, one in after.items() if not isinstance(one, dict | list))
        return Verdict.PASS, lines or tuple(everything), changed
    differs = tuple((line, "") for line in (outcome["error"] or "", *outcome.get("differences", ())) if line)
    return Verdict.WARN if outcome.get("left") else Verdict(step.severity), differs, changed


def _short(value: Any) -> str:
    if value in ([], {}):
        return "none"
    number = isinstance(value, int) and not isinstance(value, bool)
    text = f"{value:,}".replace(",", " ") if number else str(value)
    return text if len(text) <= 90 else f"{text[:60]}… ({len(text)} characters)"


def _checks(timeline: Timeline, phase: Phase) -> list[Item]:
    """The checks of a phase, by name; a check that ran twice on a host counts with its last result."""
    last: dict[str, dict[str, dict[str, Any]]] = {}  # by name and host
    for record in timeline.of("checks"):
        for finding in record.data["findings"] if record.phase == phase.name else ():
            last.setdefault(finding["name"], {})[finding["host"]] = finding
    return [_check(name, list(findings.values())) for name, findings in last.items()]


def _check(name: str, findings: Sequence[dict[str, Any]]) -> Item:
    passed = next((one["message"] for one in findings if one["verdict"] == Verdict.PASS), "")
    found = _together(
        (one["host"], Verdict(one["verdict"]), () if one["message"] == passed else ((one["message"], ""),), False, one["seconds"])
        for one in findings
    )  # fmt: skip
    return Item(name, passed or name, found)
