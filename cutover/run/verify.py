"""Read-only judging outside a run: `verify` a phase's checks, `validate` the live service, `shadow` both releases; a finished run."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cutover.agent.compare import differences
from cutover.core.errors import Problem, Refused, UsageError
from cutover.core.step import State, Step
from cutover.core.verdict import Verdict, worst
from cutover.inventory.targets import Targets
from cutover.journal.journal import read, utc_stamp
from cutover.journal.rundir import RunDir
from cutover.plan.gate import Finding, causes_in, causes_of, joined_causes, judge_outcomes, judging_document
from cutover.plan.phases import BAKES, COMMITTING, PHASES, READS_FACTS, ROLLBACK, STAGES, Phase, phase_named
from cutover.plan.roles import NO_RELEASE, ReleaseFacts, RunFacts, contexts, functions_of, steps_of
from cutover.remote.agent import HostAgent
from cutover.remote.fleet import Fleet, failures, reached
from cutover.remote.timeouts import MEASURE_S, PHASE_SLACK_S, PLAN_LOOK_S
from cutover.run.checks import Checked, refuse_unwritable, run_checks
from cutover.run.history import HostRun, Known, ask, known_run

# Against what hosts are held when their checks run alone: the plan of a run, as the hosts keep it themselves.


def phase_to_check(phase: str) -> Phase | None:
    """The phase of a name or number; None where none is named. UsageError where it is unknown."""
    try:
        return phase_named(phase) if phase else None
    except KeyError:
        known = f"one of {', '.join(one.name for one in PHASES)}, {ROLLBACK.name}"
        raise UsageError(Problem(path="--phase", found=f"no phase {phase}", next=known)) from None


def run_to_check(
    fleet: Fleet, targets: Targets, run: str, phase: Phase | None, unreachable: Sequence[Problem]
) -> tuple[Known | None, list[Problem]]:
    """The run whose plans the hosts are held against, and why which hosts cannot be: who could not be asked hides no other.

    None where nobody who answers knows such a run. UsageError where all answer and there is none, or where a host has no part in it.
    """
    phases = [phase.name] if phase else [one.name for one in (*COMMITTING, ROLLBACK)]
    known, silent = known_run(fleet, targets, run, lambda candidate: candidate.ran(phases))
    unasked = [*unreachable, *silent]
    lost = {problem.host for problem in unasked}
    answering = [name for name in fleet.agents if name not in lost]
    if known is None:
        if not unasked:
            raise UsageError(_no_run("the hosts know", phases[0]))
        return None, [*unasked, *(_no_run("it knows", phases[0], name) for name in answering)]
    if apart := [name for name in answering if name not in known.plans]:
        found, advice = f"it has no part in run {known.run}", "leave it out with --limit, or name another --run"
        raise UsageError(Problem(host=name, found=found, next=advice) for name in apart)
    return known, unasked


def _no_run(who: str, phase: str, host: str = "") -> Problem:
    advice = "checks are held against the plan of a run: name another --phase, or begin one with `./invokew prepare`"
    return Problem(host=host, path="--hosts", found=f"{who} no run that came as far as {phase}", next=advice)


def last_phase(known: Known) -> Phase:
    """The last phase that ran on all the hosts; where they differ, one must be named."""
    last = {name: (READS_FACTS.name, *host.phases)[-1] for name, host in known.hosts.items()}
    if len(set(last.values())) > 1:
        said = ", ".join(f"{name}: {phase}" for name, phase in last.items())
        found, advice = f"the hosts are at different phases ({said})", "name one with --phase, and hosts with --limit"
        raise UsageError(Problem(path="--phase", found=found, next=advice))
    return phase_named(next(iter(last.values())))


# What came of judging outside a run, as `verify`, `validate` and `shadow` report it.


@dataclass(frozen=True)
class Judged:
    """Findings, and the documents that the hosts measured, by host and step; the run whose plans or release it was about."""

    title: str
    findings: tuple[Finding, ...]
    documents: Mapping[str, Mapping[str, State]]
    run: str = ""

    @property
    def verdict(self) -> Verdict:
        """The worst of all findings."""
        return worst(finding.verdict for finding in self.findings)

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Everything that is not PASS, as a problem to show."""
        return tuple(one.problem() for one in self.findings if one.verdict is not Verdict.PASS)

    def why(self, host: str) -> Problem:
        """What kept a host from giving a document."""
        silent = Problem(host=host, found="it gave no document", next="see what the command says of it")
        return next((one for one in self.problems if one.host == host), silent)


def unasked_findings(about: str, problems: Iterable[Problem]) -> tuple[Finding, ...]:
    """A host that cannot be asked was not judged, which is an ERROR of the judging and never silence; one for each host."""
    together: dict[str, list[Problem]] = {}
    for problem in problems:
        together.setdefault(problem.host, []).append(problem)
    return tuple(
        Finding(host, f"{about}.remote", Verdict.ERROR, "; ".join(one.found for one in several), several[0].next)
        for host, several in together.items()
    )


def held_against(fleet: Fleet, known: Known | None, silent: Iterable[Finding]) -> Checked:
    """The hosts with the plans that they keep of a run; the checks of those that cannot be asked are errors, with why."""
    unasked = {finding.host: str(finding.problem()) for finding in silent}
    agents = {name: agent for name, agent in fleet.agents.items() if name not in unasked}
    return Checked(agents, {name: known.plans[name] for name in agents} if known else {}, unasked)


def verify(targets: Targets, *, run: str, phase: str, junit: Path | None) -> Judged:
    """Run the checks of a phase (the last one that ran on the hosts, where none is named) against the plan that the hosts keep."""
    named = phase_to_check(phase)
    if junit is not None:
        refuse_unwritable(junit)
    findings: list[Finding] = []
    with reached(targets) as (fleet, unreachable):
        known, problems = run_to_check(fleet, targets, run, named, unreachable)
        chosen = named or (last_phase(known) if known else None)
        silent = unasked_findings(chosen.name if chosen else "verify", problems)
        if chosen is not None:
            findings = run_checks(targets.root, targets.service, chosen, held_against(fleet, known, silent), junit)
    unasked = {finding.host for finding in silent}  # each is one finding, not one for each check
    judged = (*(one for one in findings if one.host not in unasked), *silent)
    title = chosen.label if chosen else "The last phase that ran: it is not known, since no host could say"
    return Judged(title, judged, {}, known.run if known else "")


def _measured(
    about: str,
    fleet: Fleet,
    steps: Mapping[str, Sequence[Step]],
    unasked: Sequence[Problem],
    deadline_s: float,
    judge: Callable[[str, Sequence[Step], Sequence[State]], list[Finding]],
) -> tuple[tuple[Finding, ...], dict[str, dict[str, State]]]:
    """Have each host measure within the deadline (seconds), and judge its outcomes; gives findings, and documents by host and step."""

    def measure(agent: HostAgent) -> list[State]:
        return agent.measure(steps[agent.name], deadline_s=deadline_s)

    measured = fleet.each(measure, list(steps), deadline=deadline_s + PHASE_SLACK_S)
    findings = list(unasked_findings(about, [*failures(measured), *unasked]))
    documents: dict[str, dict[str, State]] = {name: {} for name in (*steps, *(one.host for one in unasked))}
    for name, one in measured.items():
        if one.error is None:
            outcomes = one.unwrap()
            findings += judge(name, steps[name], outcomes)
            given = {outcome["id"]: outcome["after"].get("document") for outcome in outcomes}
            documents[name] = {step: document for step, document in given.items() if document is not None}
    return tuple(findings), documents


def validate(targets: Targets) -> Judged:
    """Have each host judge its live service through the deployed entry point: no lease, no change beyond canaries."""
    roles = contexts(targets, RunFacts("validate", utc_stamp()))
    with reached(targets) as (fleet, unreachable):
        steps = {name: steps_of(roles[name], BAKES.name, "validate") for name in fleet.agents}
        found = _measured(BAKES.name, fleet, steps, unreachable, MEASURE_S, judge_outcomes)
    return Judged(BAKES.label, *found)


# `shadow`: both versions run on each host's own input, side by side, and their results are compared there. A host answers with a
# judging document: `checks` by name, each with `status`, `words` and `issues`. What is compared is the role's business.

SHADOW = "shadow"  # the function of the role, and the name of its findings


def shadow(targets: Targets, *, run: str) -> Judged:
    """Have each host compare, by the release that a run staged there (the newest run, where none is named), else by the one in service."""
    roles = contexts(targets, RunFacts(SHADOW, utc_stamp()))
    if not functions_of(next(iter(roles.values())).role, BAKES.name, SHADOW):
        missing = f"service {targets.service} has no comparison of both releases (`shadow` in its steps.py)"
        raise UsageError(Problem(missing, "`./invokew validate` judges the release in service", path="shadow"))
    with reached(targets) as (fleet, unreachable):
        staged_by, releases, silent = _releases(fleet, targets, run)
        lost = {problem.host for problem in silent}
        steps = {
            name: steps_of(replace(roles[name], release=releases.get(name, NO_RELEASE)), BAKES.name, SHADOW)
            for name in fleet.agents
            if name not in lost
        }
        longest = max((sum(step.args.get("timeout_s", 0.0) for step in one) for one in steps.values()), default=0.0)
        found = _measured(SHADOW, fleet, steps, [*unreachable, *silent], longest + PHASE_SLACK_S, _compared)
    return Judged("Both releases on the same input", *found, staged_by)


def _releases(fleet: Fleet, targets: Targets, run: str) -> tuple[str, dict[str, ReleaseFacts], list[Problem]]:
    """The run that staged a release last, the release that lies on each host since then, and who could not say."""
    staged = [phase.name for phase in (STAGES, *COMMITTING, ROLLBACK)]
    known, silent = known_run(fleet, targets, run, lambda candidate: candidate.ran(staged))
    if known is None:
        return "", {}, silent
    plan = known.plan.release  # it does not keep what it was built for, and only its name is asked for
    facts = ReleaseFacts(plan.id, plan.sha256, plan.size, python="", machine="")
    return known.run, dict.fromkeys(known.plans, facts), silent


def _compared(host: str, steps: Sequence[Step], outcomes: Sequence[State]) -> list[Finding]:
    """One finding for each issue that the host names, and one for each check that has none."""
    seen = {outcome["id"]: outcome for outcome in outcomes}
    findings: list[Finding] = []
    for step in steps:
        document = judging_document(seen[step.id]["after"].get("document")) if step.id in seen else None
        if document is None:
            outcome = seen.get(step.id, {"error": "the step was not run"})
            differs = "; ".join(filter(None, [outcome.get("error"), *outcome.get("differences", [])]))
            found = f"not compared: {joined_causes(causes_of(outcome)) or differs or 'no output'}"
            findings.append(Finding(host, f"{SHADOW}.comparison", Verdict.ERROR, found, step.next))
            continue
        for name, check in document["checks"].items():
            where = f"{SHADOW}.{name}"
            issues = [Finding(host, where, one.verdict, one.found, one.next) for one in causes_in(check.get("issues"))]
            findings += issues or [Finding(host, where, Verdict(check["status"]), check.get("words", name))]
    return findings


# A run that was confirmed is finished. Given again, its hosts are looked at, and it is neither applied nor recorded a second time.

# What a step of these kinds found held when it was done; there is nothing to look at afterwards.
OF_ITS_TIME = ("command", "gap")


def is_finished(targets: Targets, directory: RunDir) -> bool:
    """Whether a run was confirmed and all its hosts are as it left them: its release in service, healthy, the old one stopped.

    Refused where it was confirmed and a host is not so any more: what to do about that is for a person to say. A run that
    was not confirmed, or was rolled back since, is not finished.
    """
    kinds = [record.kind for record in read(directory.journal_file)] if directory.journal_file.exists() else []
    if "confirmed" not in kinds or "rollback.started" in kinds:
        return False
    plan = directory.plan()
    lasting = {
        name: [
            step
            for phase in COMMITTING
            for step in host.of(phase)
            if step.kind not in OF_ITS_TIME and step.severity == "FAIL"
        ]
        for name, host in plan.hosts.items()
    }
    with reached(targets) as (fleet, unreachable):
        statuses, silent = ask(fleet)
        asked = [name for name in plan.hosts if name in statuses]
        looks = fleet.every(lambda agent: agent.look(lasting[agent.name]), asked, deadline=PLAN_LOOK_S)
    unknown = f"run {plan.run} was confirmed; how this host is now is not known"
    wrong = [
        replace(problem, found=f"{unknown}: {problem.found}")
        for problem in (*unreachable, *silent)
        if problem.host in plan.hosts
    ]
    for name in asked:
        now = HostRun.of(statuses[name], plan.run)
        if now.settled or now.reverted:
            found = f"run {plan.run} is spent: this host went back from it"
            wrong.append(Problem(host=name, found=found, next="make a new plan"))
            continue
        for step in lasting[name]:
            seen = looks[name][step.id]
            said = [seen["error"]] if "error" in seen else differences(seen, step.desired)
            found = f"run {plan.run} was confirmed, and this host is not as it left it: {'; '.join(said)}"
            next_ = "nothing was applied: see `./invokew verify`; `./invokew rollback` is the way back"
            wrong += [Problem(host=name, path=step.id, found=found, next=next_)] if said else []
    if wrong:
        raise Refused(wrong)
    return True
