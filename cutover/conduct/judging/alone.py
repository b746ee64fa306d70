"""Read-only judging outside a run: `verify` runs a phase's checks, `validate` has the deployed service judged on its hosts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cutover.conduct.checking.session import run_checks
from cutover.conduct.fleet import Fleet, as_problems, connected_as_far_as_possible
from cutover.conduct.resuming.history import Known, known_run
from cutover.conduct.targets import Targets
from cutover.decide.gate import Finding, judge_outcomes
from cutover.decide.phases import COMMITTING, PHASES, ROLLBACK, Phase, phase_named
from cutover.decide.roles import Role, RunFacts, steps_of
from cutover.words.errors import Problem, Unjudged, UsageError
from cutover.words.step import State, Step
from cutover.words.verdict import Verdict, worst
from cutover.world.agent import HostAgent
from cutover.world.journal import utc_stamp

MEASURE_S = 180.0
VALIDATING = PHASES[-1].name  # the role that judges the service


@dataclass(frozen=True)
class Judged:
    """What came of judging: findings, and the documents that the hosts measured, by host and step."""

    phase: Phase
    findings: tuple[Finding, ...]
    documents: Mapping[str, Mapping[str, State]]
    run: str = ""  # whose plan or release the hosts were held against

    @property
    def verdict(self) -> Verdict:
        """The worst of all findings."""
        return worst(finding.verdict for finding in self.findings)


def run_to_check(fleet: Fleet, run: str, phase: str) -> Known:
    """The run whose plans the hosts are held against; UsageError where there is none, or where a host has no part in it."""
    phases = [_named(phase).name] if phase else [one.name for one in (*COMMITTING, ROLLBACK)]
    known, silent = known_run(fleet, run, lambda candidate: candidate.ran(phases))
    if silent:
        raise Unjudged(silent)
    if known is None:
        raise UsageError(
            Problem(
                path="--hosts",
                found=f"the hosts know no run that came as far as {phase or COMMITTING[0].name}",
                next="checks are held against the plan of a run: name another --phase, or begin one with `invoke prepare`",
            )
        )
    missing = [name for name in fleet.agents if name not in known.plans]
    if missing:
        raise UsageError(
            Problem(
                host=name,
                found=f"it has no part in run {known.run}",
                next="leave it out with --limit, or name another --run",
            )
            for name in missing
        )
    return known


def verify(targets: Targets, *, run: str, phase: str, junit: Path | None) -> Judged:
    """Run the checks of a phase (the last one that ran on the hosts, where none is named) against the plan that the hosts keep."""
    with connected_as_far_as_possible(targets) as (fleet, unreachable):
        known = run_to_check(fleet, run, phase)
        chosen = _named(phase) if phase else _last(known)
        findings = run_checks(targets.root, chosen, fleet.transports, known.plans, junit)
    return Judged(chosen, (*findings, *_unasked(chosen, unreachable)), {}, known.run)


def validate(targets: Targets) -> Judged:
    """Have each host judge its live service through the deployed entry point: no lease, no change beyond canaries."""
    phase = phase_named(VALIDATING)
    with connected_as_far_as_possible(targets) as (fleet, unreachable):
        run = RunFacts("validate", utc_stamp())
        steps = {
            name: steps_of(Role(VALIDATING, targets.root, targets.variables[name], run), "validate")
            for name in fleet.agents
        }
        judged = _measure(fleet, phase, steps)
    lacking: dict[str, Mapping[str, State]] = {problem.host: {} for problem in unreachable}
    return Judged(phase, (*judged.findings, *_unasked(phase, unreachable)), {**judged.documents, **lacking})


def _unasked(phase: Phase, unreachable: Sequence[Problem]) -> list[Finding]:
    """A host that cannot be reached was not judged, which is an ERROR of the judging and never silence."""
    return [Finding(one.host, f"{phase.name}.remote", Verdict.ERROR, one.found, one.next) for one in unreachable]


def _measure(fleet: Fleet, phase: Phase, steps: Mapping[str, tuple[Step, ...]]) -> Judged:
    findings: list[Finding] = []
    documents: dict[str, dict[str, State]] = {}

    def measure(agent: HostAgent) -> list[State]:
        return agent.measure(steps[agent.name], deadline_s=MEASURE_S)

    for name, outcome in fleet.each(measure, deadline=MEASURE_S * 2).items():
        if outcome.error is not None:
            problem = as_problems(outcome.error, name)[0]
            findings.append(Finding(name, f"{phase.name}.remote", Verdict.ERROR, problem.found, problem.next))
            documents[name] = {}
            continue
        outcomes = outcome.unwrap()
        findings += judge_outcomes(name, steps[name], outcomes)
        documents[name] = {
            one["id"]: one["after"]["document"] for one in outcomes if one["after"].get("document") is not None
        }
    return Judged(phase, tuple(findings), documents)


def _named(phase: str) -> Phase:
    try:
        return phase_named(phase)
    except KeyError:
        raise UsageError(
            Problem(
                path="--phase", found=f"no phase {phase}", next=f"one of {', '.join(p.name for p in PHASES)}, rollback"
            )
        ) from None


def _last(known: Known) -> Phase:
    """The last phase that ran on all the hosts; where they differ, one must be named."""
    last = {
        name: ((known.entry(name) or {}).get("batches") or [f"{PHASES[0].name}-0"])[-1].rpartition("-")[0]
        for name in known.plans
    }
    if len(set(last.values())) > 1:
        said = ", ".join(f"{name}: {phase}" for name, phase in last.items())
        raise UsageError(
            Problem(
                path="--phase",
                found=f"the hosts are at different phases ({said})",
                next="name one with --phase, and hosts with --limit",
            )
        )
    return phase_named(next(iter(last.values())))
