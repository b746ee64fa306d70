"""What was verified in each phase: every step and every check, what was wanted, what was found, host by host, like with like."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cutover.agent.compare import describe, dig
from cutover.console.values import Table, document, step_tables
from cutover.core.step import Step
from cutover.core.times import between
from cutover.core.verdict import Verdict, worst
from cutover.plan.phases import PHASES, ROLLBACK, Phase
from cutover.plan.plan import Plan
from cutover.timeline.presentation import Presentation
from cutover.timeline.timeline import Span, Story


@dataclass(frozen=True)
class Found:
    """What some hosts had in common: their verdict and what was found there, with the time it took at most."""

    hosts: tuple[str, ...]
    verdict: Verdict
    lines: tuple[tuple[str, str], ...]  # what was found, and what was wanted where that is not the same
    changed: bool
    seconds: float


@dataclass(frozen=True)
class Measured:
    """A measurement of a step on one host: the tables that are made of it, and the whole document."""

    host: str
    tables: tuple[Table, ...]
    document: Any


@dataclass(frozen=True)
class Item:
    """One step or check of a phase over all its hosts."""

    name: str
    words: str
    kind: str
    found: tuple[Found, ...]
    measured: tuple[Measured, ...]

    @property
    def verdict(self) -> Verdict:
        """The worst over the hosts."""
        return worst(found.verdict for found in self.found)


@dataclass(frozen=True)
class Verified:
    """One phase: what it is to prove, what it came to, and every item."""

    phase: Phase
    hosts: tuple[str, ...]
    verdict: Verdict
    judged: int
    items: tuple[Item, ...]


def verified(story: Story, plan: Plan, shown: Presentation) -> list[Verified]:
    """All phases that were begun."""
    return [phase for phase in (_phase(story, plan, shown, phase) for phase in (*PHASES, ROLLBACK)) if phase.hosts]


def _phase(story: Story, plan: Plan, shown: Presentation, phase: Phase) -> Verified:
    spans = [span for span in story.spans if span.name == phase.name]
    hosts = tuple(host for host in story.hosts if any(host in span.hosts for span in spans))
    steps = {step.id: step for host in hosts if host in plan.hosts for step in plan.hosts[host].of(phase)}
    items = [_step(story, plan, shown, phase, step_id, hosts) for step_id in steps] + _checks(story, phase)
    verdict = worst(span.verdict or Verdict.INCONCLUSIVE for span in spans)
    items.sort(key=lambda item: item.verdict is Verdict.PASS)  # what was not PASS stands first
    return Verified(phase, hosts, verdict, sum(span.judged for span in spans), tuple(items))


def _step(story: Story, plan: Plan, shown: Presentation, phase: Phase, step_id: str, hosts: Sequence[str]) -> Item:
    groups: dict[tuple[Any, ...], list[tuple[str, float]]] = {}
    steps = {
        host: step for host in hosts if host in plan.hosts for step in plan.hosts[host].of(phase) if step.id == step_id
    }
    for host, step in steps.items():
        outcome = story.outcomes.get((host, step_id))
        groups.setdefault(_judged(step, outcome), []).append((host, float(outcome["seconds"]) if outcome else 0.0))
    found = tuple(
        Found(tuple(host for host, _ in members), verdict, lines, changed, max(seconds for _, seconds in members))
        for (verdict, lines, changed), members in groups.items()
    )
    first = next(iter(steps.values()))
    measured = tuple(
        Measured(host, tuple(step_tables(story, shown.tables, host, step_id)), document(story, host, step_id))
        for host in steps
        if first.kind == "command" and step_id != shown.validation.step and document(story, host, step_id) is not None
    )
    return Item(step_id, first.words, "look" if first.probe else "step", found, measured)


def _judged(step: Step, outcome: dict[str, Any] | None) -> tuple[Verdict, tuple[tuple[str, str], ...], bool]:
    """The verdict, the found value of each desired key (or what differs), whether something was changed."""
    if outcome is None:
        return Verdict.INCONCLUSIVE, (("not run", ""),), False
    if outcome["ok"]:
        lines = tuple(_met(key, dig(outcome["after"], key), want) for key, want in step.desired.items())
        return Verdict.PASS, lines or _everything(outcome["after"]), bool(outcome["changed"])
    differs = tuple((line, "") for line in (outcome["error"] or "", *outcome.get("differences", ())) if line)
    return Verdict.WARN if outcome.get("left") else Verdict(step.severity), differs, bool(outcome["changed"])


def _met(key: str, seen: Any, want: Any) -> tuple[str, str]:
    """A desired key and its value; what was wanted is said where it leaves room."""
    return f"{key}: {_short(seen)}", "" if seen == want else spaced(describe(want))


def spaced(words: str) -> str:
    """Words with the digits of long whole numbers in groups of three."""
    return re.sub(r"(?<![\w.])\d{5,}(?![\w.])", lambda found: f"{int(found[0]):,}".replace(",", " "), words)


def _everything(after: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    """What was measured where nothing was demanded."""
    return tuple((f"{key}: {_short(value)}", "") for key, value in after.items() if not isinstance(value, dict | list))


def _short(value: Any) -> str:
    text = (
        "none"
        if value in ([], {})
        else f"{value:,}".replace(",", " ")
        if isinstance(value, int) and not isinstance(value, bool)
        else str(value)
    )
    return text if len(text) <= 90 else f"{text[:60]}… ({len(text)} characters)"


def _checks(story: Story, phase: Phase) -> list[Item]:
    """The checks of a phase, by name; a check that was asked twice of a host counts with its last answer."""
    last: dict[tuple[str, str], dict[str, Any]] = {}
    for record in story.of("checks"):
        if record.phase == phase.name:
            last |= {(finding["name"], finding["host"]): finding for finding in record.data["findings"]}
    names = dict.fromkeys(name for name, _ in last)
    return [_check(name, [finding for (known, _), finding in last.items() if known == name]) for name in names]


def _check(name: str, findings: Sequence[dict[str, Any]]) -> Item:
    groups: dict[tuple[Verdict, str], list[dict[str, Any]]] = {}
    for finding in findings:
        groups.setdefault((Verdict(finding["verdict"]), finding["message"]), []).append(finding)
    passed = next((message for verdict, message in groups if verdict is Verdict.PASS), "")
    found = tuple(
        Found(
            tuple(member["host"] for member in members),
            verdict,
            () if message == passed else ((message, ""),),
            False,
            max(member["seconds"] for member in members),
        )
        for (verdict, message), members in groups.items()
    )
    return Item(name, passed or name, "check", found, ())


def matrix(story: Story, spans: Sequence[Span]) -> list[tuple[str, list[tuple[Verdict | None, float] | None], str]]:
    """Hosts by phases: verdict and seconds of the last time each phase ran there; None where it did not; where the host is now."""
    columns = [phase.name for phase in PHASES] + ["bake", ROLLBACK.name]
    rows = []
    for host in story.hosts:
        cells: list[tuple[Verdict | None, float] | None] = []
        for name in columns:
            span = next((span for span in reversed(spans) if span.name == name and host in span.hosts), None)
            cells.append(None if span is None else (span.of(host), _seconds(span, story)))
        rows.append((host, cells, str(story.where(host))))
    return rows


def _seconds(span: Span, story: Story) -> float:
    return between(span.start, span.end or story.records[-1].at)
