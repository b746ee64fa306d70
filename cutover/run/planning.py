"""Make a plan: read the hosts, ask the roles, look again at every step, freeze. Changes nothing anywhere."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cutover.agent.compare import differences
from cutover.core.errors import Problem, Refused, UsageError
from cutover.core.host import Host
from cutover.core.step import State, Step
from cutover.inventory.targets import Targets
from cutover.journal.journal import utc_now
from cutover.plan.diff import Mask, diff, structural_diff
from cutover.plan.phases import BAKES, PHASES, READS_FACTS, ROLLBACK
from cutover.plan.plan import Change, FileDiff, HostPlan, Plan, PlannedFile, ServicePlan, batches
from cutover.plan.render import Rendered
from cutover.plan.roles import ReleaseFacts, RoleContext, RunFacts, contexts, functions_of, steps_of
from cutover.plan.steps import probe
from cutover.release.build import release_for
from cutover.remote.agent import HostAgent
from cutover.remote.fleet import Fleet
from cutover.remote.timeouts import PLAN_LOOK_S, times_of
from cutover.run.leases import holder, refuse_held
from cutover.run.session import Session

# A plan is applied with the inventory that it was made from: what has changed there since was never shown to anybody.

NEXT = "the inventory has changed since the plan was made: plan again, or change it back"


def refuse_another_inventory(targets: Targets, plan: Plan) -> None:
    """UsageError with every connection and variable of the plan's hosts that is another today, secrets by their digests."""
    hosts = {host.name: host for host in targets.hosts}
    problems = [
        problem
        for name, planned in plan.hosts.items()
        for problem in _changes(planned, hosts[name], targets.variables[name].masked())
    ]
    if problems:
        raise UsageError(problems)


def _changes(planned: HostPlan, host: Host, variables: dict[str, Any]) -> Iterator[Problem]:
    if planned.address != host.reached:
        found = f"it was to be reached as {planned.address}, and is now as {host.reached}"
        yield Problem(host=host.name, path="hosts.yml", found=found, next=NEXT)
    now = json.loads(json.dumps(variables))  # as a plan holds it
    for name in sorted({*planned.variables, *now}):
        if name not in ("inventory_hostname", "ansible_host") and planned.variables.get(name) != now.get(name):
            said = ", ".join(
                f"{when} {json.dumps(where[name], ensure_ascii=False) if name in where else 'not declared'}"
                for when, where in (("it was", planned.variables), ("it is", now))
            )
            yield Problem(host=host.name, path=name, found=said, next=NEXT)


def make_plan(session: Session) -> None:
    """Make a plan of all chosen hosts, and keep it; hosts that run the release already, healthy, have no part in it."""
    targets, fleet, run = session.targets, session.fleet, session.run
    times_of(targets)  # timings that exclude each other are wrong before anything else is
    facts_of_run = RunFacts(run, run.split("-", 1)[0])
    contexts(targets, facts_of_run)  # what is wrong with the service is reported before anything is built
    release = release_for(targets, fleet)
    facts = _read_facts(fleet, contexts(targets, facts_of_run, release.facts))
    roles = contexts(targets, facts_of_run, release.facts, facts)
    already = [
        name
        for name, role in roles.items()
        if all(one(role) for one in functions_of(role.role, READS_FACTS.name, "already"))
    ]
    # One of these may have the release, and be judged still.
    refuse_held(fleet.every(lambda agent: agent.status(), already, deadline=PLAN_LOOK_S))
    steps = {name: _steps(role) for name, role in roles.items()}
    files = {digest: file for role in roles.values() for digest, file in role.files.items()}
    seen = fleet.every(lambda agent: _look_at_all(agent, steps[agent.name]), deadline=PLAN_LOOK_S)
    left = [name for name in targets.names if name not in already]
    service = next(iter(roles.values()))
    plan = Plan(
        run=run,
        service=ServicePlan(name=targets.service, title=service.service.title, old=service.old, new=service.new),
        stamp=facts_of_run.stamp,
        created_at=utc_now(),
        created_by=holder(),
        environment=targets.environment,
        pattern=targets.options.hosts,
        batches=batches(left, targets.serial),
        release=release.planned,
        hosts={name: _host_plan(targets, roles[name], steps[name], seen[name], files) for name in left},
        files={digest: PlannedFile(text=file.masked, masked=file.secrets) for digest, file in sorted(files.items())},
    )
    session.take_plan(plan, {digest: file.text for digest, file in files.items()}, release.artifact)
    if plan.hosts:
        plan.save(session.directory.plan_file)
        if release.sbom:
            session.directory.evidence.mkdir(parents=True, exist_ok=True)
            (session.directory.evidence / "sbom.cdx.json").write_text(release.sbom)
    session.record(
        "plan.made", fingerprint=plan.fingerprint, release=plan.release.id, hosts=left,
        batches=[list(batch) for batch in plan.batches], already=already,
    )  # fmt: skip


def _read_facts(fleet: Fleet, roles: Mapping[str, RoleContext]) -> dict[str, dict[str, State]]:
    """What the first role wants to know of each host before anything is planned: one look a host."""
    probes = {name: steps_of(role, READS_FACTS.name, "facts") for name, role in roles.items()}
    facts = fleet.every(lambda agent: agent.look(probes[agent.name]), deadline=PLAN_LOOK_S)
    next_ = "nothing can be planned from what is not known"
    unread = [
        Problem(host=name, path=fact, found=f"it cannot be read: {state['error']}", next=next_)
        for name, states in facts.items()
        for fact, state in states.items()
        if "error" in state
    ]
    if unread:
        raise Refused(unread)
    return facts


def plan_anew(targets: Targets, kept: Mapping[str, Plan]) -> tuple[list[Plan], list[Problem]]:
    """The way back of hosts by roles and inventory, where nobody signed what they keep; and the hosts for which that cannot be computed.

    Of what a host keeps, only what is about itself is used: its release, and what was found on it before the run, by which it
    is known what is to come back. One plan, or none where there is no host.
    """
    hosts: dict[str, HostPlan] = {}
    problems: list[Problem] = []
    for name, part in kept.items():
        try:
            hosts[name] = _host_anew(targets, name, part)
        except Exception as wrong:  # noqa: BLE001 - by whatever it says of itself a host must not stop the others' way back
            found = f"its way back cannot be computed from what it keeps: {type(wrong).__name__}: {wrong}"
            problems.append(Problem(found, "go back from the machine that began the run", host=name))
    if not hosts:
        return [], problems
    first, service = next(kept[name] for name in hosts), next(iter(hosts.values())).service
    batches = {
        host for part in kept.values() for batch in part.batches for host in batch if host in targets.inventory.hosts
    }
    about = ServicePlan(name=targets.service, title=service.title, old=service.old.label, new=service.new.label)
    update = {
        "service": about, "created_by": holder(), "created_at": utc_now(), "pattern": targets.options.hosts,
        "batches": (tuple(sorted({*batches, *hosts})),), "hosts": hosts, "files": {},
    }  # fmt: skip
    return [first.model_copy(update=update)], problems


def _host_anew(targets: Targets, name: str, part: Plan) -> HostPlan:
    own = part.hosts[name].facts
    release = ReleaseFacts(part.release.id, part.release.sha256, part.release.size, python="", machine="")
    role = contexts(targets.others([name]), RunFacts(part.run, part.run.split("-", 1)[0]), release, {name: own})[name]
    return HostPlan(
        name=name, address=_address(targets, name), service=role.service, variables=targets.variables[name].masked(),
        facts=dict(own), steps=_steps(role), changes=(), diffs=(),
    )  # fmt: skip


def _address(targets: Targets, name: str) -> str:
    return next(host.reached for host in targets.hosts if host.name == name)


def contents_for(targets: Targets, plan: Plan, release: ReleaseFacts) -> dict[str, str]:
    """File contents of a plan made earlier: its own texts, and those with secrets rendered anew and held against their digests.

    UsageError where the inventory is not the one that the plan was made from.
    """
    refuse_another_inventory(targets, plan)
    texts = {digest: file.text for digest, file in plan.files.items() if not file.masked}
    facts = {name: host.facts for name, host in plan.hosts.items()}
    for name, role in contexts(targets, RunFacts(plan.run, plan.stamp), release, facts).items():
        if name in plan.hosts:
            _steps(role)
            texts |= {digest: file.text for digest, file in role.files.items()}
    if missing := set(plan.files) - set(texts):
        found = f"{len(missing)} of its files with secrets come out differently now"
        next_ = "a variable, a template or a secret changed since the plan was made: plan again"
        raise UsageError(Problem(path="plan.json", found=found, next=next_))
    return texts


def _steps(role: RoleContext) -> dict[str, tuple[Step, ...]]:
    """All steps of a host by phase. Phase 0 also compares the facts with the host once more: what drifted stops the run."""
    steps = {phase.name: steps_of(role, phase.name) for phase in (*PHASES, ROLLBACK)}
    probes = steps_of(role, READS_FACTS.name, "facts")
    steps[READS_FACTS.name] = (
        *(_unchanged(fact, role.facts[fact.id]) for fact in probes if fact.args.get("bind")),
        *steps[READS_FACTS.name],
    )
    return steps | {"bake": steps_of(role, BAKES.name, "bake")}


def _unchanged(fact: Step, seen: State) -> Step:
    """What the plan was made from must still be so; a key that the host did not show then (an absent file's digest) binds nothing."""
    bound = {key: seen[key] for key in fact.args["bind"] if seen.get(key) is not None}
    return probe(
        f"{READS_FACTS.name}.since-plan.{fact.id}", fact.kind, f"{fact.words}: as at planning", bound, args=fact.args,
        next="the host is not what was planned for: plan again",
    )  # fmt: skip


def _look_at_all(agent: HostAgent, steps: Mapping[str, Sequence[Step]]) -> dict[str, State]:
    """Every step's first look, and the text of every file that would be replaced."""
    phases = [step for phase in PHASES for step in steps[phase.name]]
    texts = [probe(f"text {step.id}", "text", "", {}, args=step.args) for step in phases if step.content]
    return agent.look([*phases, *texts], deadline_s=PLAN_LOOK_S)


def _host_plan(
    targets: Targets, role: RoleContext, steps: Mapping[str, tuple[Step, ...]], seen: Mapping[str, State],
    files: Mapping[str, Rendered],
) -> HostPlan:  # fmt: skip
    name = role.variables.host
    planned = [step for phase in PHASES for step in steps[phase.name]]
    return HostPlan(
        name=name,
        address=_address(targets, name),
        service=role.service,
        variables=targets.variables[name].masked(),
        facts=dict(role.facts),
        steps=dict(steps),
        changes=tuple(
            Change(step=step.id, differences=tuple(differences(seen[step.id], step.desired))) for step in planned
        ),
        diffs=tuple(
            _file_diff(step, seen[f"text {step.id}"]["text"], files[step.content].masked, targets.variables[name])
            for step in planned
            if step.content
        ),
    )


def _file_diff(step: Step, now: str, after: str, variables: Mapping[str, object]) -> FileDiff:
    """What a file would become. Nothing has masked what stands on the host now: that is done here."""
    path = step.args["path"]
    mask = Mask.of(now, after, variables)
    changes = structural_diff(now, after) if now else ()
    return FileDiff(
        path=path,
        against=path if now else "nothing",
        lines=diff(mask.text(now), after, f"{path} (now)", f"{path} (planned)"),
        keys=tuple(str(shown) for change in changes if (shown := mask.change(change)) is not None),
    )
