"""Read-only judging outside a run: `verify` runs a phase's checks, `validate` has the deployed service judged on its hosts."""

from collections.abc import Mapping
from pathlib import Path

from cutover.conduct.checking.junit import add_errors, refuse_unwritable
from cutover.conduct.checking.session import run_checks
from cutover.conduct.fleet import Fleet, as_problems, reached
from cutover.conduct.judging.against import last_phase, phase_to_check, run_to_check
from cutover.conduct.judging.judged import Judged, unasked_findings
from cutover.conduct.targets import Targets
from cutover.decide.gate import Finding, judge_outcomes
from cutover.decide.phases import PHASES, Phase, phase_named
from cutover.decide.roles import Role, RunFacts, steps_of
from cutover.words.errors import Problem
from cutover.words.step import State, Step
from cutover.world.agent import HostAgent
from cutover.world.journal import utc_stamp

MEASURE_S = 180.0
VALIDATING = PHASES[-1].name  # the role that judges the service
VERIFY = "verify"  # what is told where no phase is known
NO_JOURNAL = "make room on this machine, and verify again: no journal has what is told here"


def verify(targets: Targets, *, run: str, phase: str, junit: Path | None) -> Judged:
    """Run the checks of a phase (the last one that ran on the hosts, where none is named) against the plan that the hosts keep."""
    named = phase_to_check(phase)
    if junit is not None:
        refuse_unwritable(junit)
    with reached(targets) as (fleet, unreachable):
        known, unasked = run_to_check(fleet, run, named, unreachable)
        if known is None:
            return _nobody_checked(named, unasked, junit)
        chosen = named or last_phase(known)
        lost = {problem.host for problem in unasked}
        agents = {name: one for name, one in fleet.agents.items() if name not in lost}
        plans = {name: known.plans[name] for name in agents}
        findings = run_checks(targets.root, chosen, agents, plans, junit, no_room=NO_JOURNAL)
    silent = unasked_findings(chosen.name, unasked)
    return Judged(
        chosen.label, (*findings, *silent, *add_errors(junit, chosen.name, silent, NO_JOURNAL)), {}, known.run
    )


def _nobody_checked(named: Phase | None, unasked: list[Problem], junit: Path | None) -> Judged:
    about = named.name if named else VERIFY
    silent = unasked_findings(about, unasked)
    title = named.label if named else "The last phase that ran: it is not known, since no host could say"
    return Judged(title, (*silent, *add_errors(junit, about, silent, NO_JOURNAL)), {})


def validate(targets: Targets) -> Judged:
    """Have each host judge its live service through the deployed entry point: no lease, no change beyond canaries."""
    phase = phase_named(VALIDATING)
    with reached(targets) as (fleet, unreachable):
        run = RunFacts("validate", utc_stamp())
        steps = {
            name: steps_of(Role(VALIDATING, targets.root, targets.variables[name], run), "validate")
            for name in fleet.agents
        }
        findings, documents = _measure(fleet, phase, steps)
    lacking: dict[str, Mapping[str, State]] = {problem.host: {} for problem in unreachable}
    return Judged(phase.label, (*findings, *unasked_findings(phase.name, unreachable)), {**documents, **lacking})


def _measure(
    fleet: Fleet, phase: Phase, steps: Mapping[str, tuple[Step, ...]]
) -> tuple[list[Finding], dict[str, Mapping[str, State]]]:
    findings: list[Finding] = []
    documents: dict[str, Mapping[str, State]] = {}

    def measure(agent: HostAgent) -> list[State]:
        return agent.measure(steps[agent.name], deadline_s=MEASURE_S)

    for name, outcome in fleet.each(measure, deadline=MEASURE_S * 2).items():
        if outcome.error is not None:
            findings += unasked_findings(phase.name, as_problems(outcome.error, name))
            documents[name] = {}
            continue
        outcomes = outcome.unwrap()
        findings += judge_outcomes(name, steps[name], outcomes)
        documents[name] = {
            one["id"]: one["after"]["document"] for one in outcomes if one["after"].get("document") is not None
        }
    return findings, documents
