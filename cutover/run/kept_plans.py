"""The plan of a run that is gone on with or undone: this machine's own, else what its hosts keep of it, as far as that was approved.

A host says what was planned for itself, and is believed where an engineer's key signed it: another machine may have been broken
into since. What nobody signed is never applied. For the way back, it is computed anew from roles and inventory; of what the
host keeps, only the facts about itself are used.
"""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cutover.console.ask import progress
from cutover.core.errors import CutoverError, Problem, UsageError
from cutover.core.step import State
from cutover.inventory.targets import Targets
from cutover.journal import signing
from cutover.journal.journal import utc_now
from cutover.journal.rundir import runs_of
from cutover.plan.plan import Plan, joined
from cutover.remote.agent import HostAgent, sources_digest
from cutover.remote.fleet import Fleet, HostOutcome, failures
from cutover.remote.timeouts import ASK_S
from cutover.remote.transport import DeadlinePassed
from cutover.run.planning import plan_anew

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
LATE = f"not asked for another plan: it let a question pass, or took {ASK_S:g} s for its plans of newer runs"
UNSIGNED = "sign plans: keep inventory/<env>/allowed_signers, and have a key in ssh-agent when a plan is approved"


class Approval(BaseModel):
    """What an engineer signs when a plan is approved: the run, the digest of each host's part, the release, the agent."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    schema_version: Literal[1] = 1
    run: str
    service: str
    environment: str
    fingerprint: Digest
    release: str  # the artifact's digest
    agent: Digest
    hosts: dict[str, Digest]
    engineer: str
    public_key: Annotated[str, Field(pattern=rf"^{signing.PUBLIC_KEY}$")]
    made_at: str

    def text(self) -> bytes:
        """The one form in which it is signed."""
        return json.dumps(self.model_dump(mode="json"), indent=1, sort_keys=True).encode()


@dataclass(frozen=True)
class KeptPlan:
    """The plan of a run; hosts of which it was computed anew, since nobody signed what they keep; and what is wrong with which host."""

    plan: Plan | None
    anew: tuple[str, ...] = ()
    problems: list[Problem] = field(default_factory=list)


def sign(plan: Plan, targets: Targets) -> tuple[State | None, str]:
    """The signed approval of a plan, for its hosts to keep; or None, and why it is not signed."""
    signers = targets.inventory.directory / signing.SIGNERS
    if not signers.is_file():
        return None, ""  # nobody signs here
    try:
        key = signing.choose("")
        approval = Approval(
            run=plan.run, service=plan.service.name, environment=plan.environment, fingerprint=plan.fingerprint,
            release=plan.release.sha256, agent=sources_digest(), hosts={name: plan.of_host(name).fingerprint for name in plan.hosts},
            engineer=signing.engineer_of(key, signers), public_key=key.public, made_at=utc_now(),
        )  # fmt: skip
        signature = signing.sign(approval.text(), key, signing.PLAN)
        if problems := signing.judge(_signed(approval, signature, ""), signers):
            return None, problems[0].found
    except CutoverError as unsigned:
        return None, unsigned.problems[0].found
    return {"statement": approval.text().decode(), "signature": signature.decode()}, ""


class Keepers:
    """The hosts, asked for their part of one run after another. Who let a question pass, or took ASK_S in all, is not asked again.

    A host could make up runs without end, and the others wait for the plan of the one that is theirs.
    """

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._took = dict.fromkeys(fleet.agents, 0.0)  # seconds

    def ask(self, run: str, hosts: Sequence[str]) -> dict[str, HostOutcome[State | None]]:
        """What each of these hosts keeps of a run."""

        def asked(agent: HostAgent) -> State | None:
            began = time.monotonic()
            try:
                return agent.plan(run)
            finally:
                self._took[agent.name] += time.monotonic() - began

        late = {name: DeadlinePassed(name, LATE) for name in hosts if self._took[name] >= ASK_S}
        answers = self._fleet.each(asked, [name for name in hosts if name not in late], deadline=ASK_S)
        self._took |= {name: ASK_S for name, answer in answers.items() if isinstance(answer.error, DeadlinePassed)}
        return answers | {name: HostOutcome(error=error) for name, error in late.items()}


def plan_of(keepers: Keepers, targets: Targets, run: str, statuses: Mapping[str, State]) -> KeptPlan:
    """The plan of a run that these hosts know, by this machine's own copy, and for hosts that it lacks by what they keep."""
    own = _own(targets, run)
    holding = [name for name, status in statuses.items() if any(entry["run"] == run for entry in status["runs"])]
    answers = keepers.ask(run, [name for name in holding if own is None or name not in own.hosts])
    parts, signed, problems = (
        [] if own is None else [own],
        {} if own is None else {"": own.fingerprint},
        failures(answers),
    )
    unsigned: dict[str, Plan] = {}
    for name, answer in answers.items():
        if answer.value is None:
            continue
        try:
            part = _part(answer.value["plan"], name, run, targets)
            approval = _approved(answer.value["approval"], part, targets)
        except CutoverError as wrong:
            problems += wrong.problems
            continue
        if approval is None:
            unsigned[name] = part
        else:
            parts.append(part)
            signed[name] = approval.fingerprint
    if len({*signed.values()}) > 1:
        found, next_ = (
            f"hosts keep different plans of run {run}, all of them signed",
            "find out who signed which; nothing was done",
        )
        raise UsageError(Problem(found, next_, host=name) for name in signed if name)
    computed, unusable = plan_anew(targets, unsigned)
    parts += computed
    anew = tuple(name for part in computed for name in part.hosts)
    return KeptPlan(joined(parts) if parts else None, anew, [*problems, *unusable])


def _own(targets: Targets, run: str) -> Plan | None:
    """The plan of the run on this machine; None where there is none, or one that was edited."""
    directory = runs_of(targets.root).path_of(run)
    try:
        return directory.plan() if directory.plan_file.exists() else None
    except UsageError as edited:
        progress(f"{edited.problems[0]}; what hosts keep of it is asked for instead")
        return None


def _part(document: Any, host: str, run: str, targets: Targets) -> Plan:
    """What a host keeps of a plan; UsageError where it is not the plan of that run for that host."""
    where = f"the plan of run {run} that it keeps"
    try:
        part = Plan.model_validate(document)
    except ValidationError as wrong:
        first = wrong.errors()[0]
        found = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
        raise UsageError(Problem(found, "use the version that began the run", host=host, path=where)) from wrong
    about = {
        "run": (part.run, run), "environment": (part.environment, targets.environment),
        "service": (part.service.name, targets.service), "hosts": (", ".join(part.hosts), host),
        "host": (", ".join(one.name for one in part.hosts.values()), host),
    }  # fmt: skip
    if differs := [
        f"{key} {found!r}, expected {expected!r}" for key, (found, expected) in about.items() if found != expected
    ]:
        next_ = "see who changed it there, and who has root on that host; `./invokew rollback` from the machine that began the run"
        raise UsageError(Problem("; ".join(differs), next_, host=host, path=where))
    return part


def _approved(document: Any, part: Plan, targets: Targets) -> Approval | None:
    """The approval of a host's part of a plan, None where nobody signed it; UsageError where it is signed and is not for this part."""
    signers = targets.inventory.directory / signing.SIGNERS
    if document is None or not signers.is_file():
        return None
    (host,) = part.hosts
    where = f"the approval of run {part.run} that it keeps"
    try:
        approval = Approval.model_validate_json(document["statement"])
        signature = document["signature"].encode()
    except (ValidationError, TypeError, KeyError, AttributeError) as unusable:
        raise UsageError(Problem(f"not an approval: {unusable}", UNSIGNED, host=host, path=where)) from unusable
    problems = signing.judge(_signed(approval, signature, where), signers)
    if problems:
        raise UsageError(Problem(one.found, one.next, host=host, path=one.path) for one in problems)
    about = {
        "run": (approval.run, part.run), "environment": (approval.environment, part.environment),
        "service": (approval.service, part.service.name), "plan": (approval.hosts.get(host), part.fingerprint),
        "release": (approval.release, part.release.sha256),
    }  # fmt: skip
    if wrong := [f"{key} {said!r}, the plan's is {kept!r}" for key, (said, kept) in about.items() if said != kept]:
        next_ = "the plan was changed on that host after it was signed, or is of another run: see who has root there"
        raise UsageError(Problem("; ".join(wrong), next_, host=host, path=where))
    if approval.agent != sources_digest():
        progress(
            f"{host}: run {part.run} was approved with the agent {approval.agent[:16]}, this version's is {sources_digest()[:16]}"
        )
    return approval


def _signed(approval: Approval, signature: bytes, where: str) -> signing.Signed:
    altered = "it was changed on that host after it was signed: see who has root there"
    return signing.Signed(
        approval.text(),
        signature,
        approval.engineer,
        approval.public_key,
        approval.made_at,
        signing.PLAN,
        where,
        altered,
    )
