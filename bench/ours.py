"""The eleven operations with this project's engine: `python -m bench.ours CHECKOUT`, one cold process like the other contenders.

Connect, take the leases, one batch of steps a host, every intent and outcome journalled, the gate, leases given back.
"""

import sys
from pathlib import Path

from cutover.console.ask import Ask
from cutover.core.errors import Refused, Unreachable
from cutover.inventory.targets import Options, Targets, choose
from cutover.journal.journal import Journal
from cutover.journal.rundir import RunDir, RunDirs
from cutover.plan.gate import decide
from cutover.plan.phases import phase_named
from cutover.plan.plan import HostPlan
from cutover.plan.roles import RunFacts, contexts, steps_of
from cutover.remote.fleet import Fleet, reached
from cutover.run.leases import held
from cutover.run.options import RunOptions
from cutover.run.phase import work_on
from cutover.run.session import Session

PHASE = phase_named("activation")
WORK_S = 60.0


def main(checkout: Path) -> None:
    """Do the job on all hosts of the environment `bench`; Refused when the gate stays closed."""
    targets = choose(Options(root=checkout, hosts="bench"))
    run = RunDirs(checkout / ".cutover" / "runs").create()
    journal = run.journal()
    journal.write("run.created", run=run.id, environment=targets.environment, pattern="bench")
    with reached(targets) as (fleet, unreachable):
        if unreachable:
            raise Unreachable(unreachable)
        session = _session(targets, run, journal, fleet)
        with held(session):
            found = fleet.every(
                lambda agent: work_on(session, PHASE, agent, session.plans[agent.name].of(PHASE), deadline_s=WORK_S),
                deadline=WORK_S * 2,
            )
        answer = decide(PHASE, [finding for findings in found.values() for finding in findings], session.hosts)
        journal.write("gate", phase=PHASE.name, opens=answer.opens)
    journal.close()
    if not answer.opens:
        raise Refused(answer.problems)


def _session(targets: Targets, run: RunDir, journal: Journal, fleet: Fleet) -> Session:
    roles = contexts(targets, RunFacts(run.id, run.id.split("-")[0]))
    plans = {
        host.name: HostPlan(
            service=roles[host.name].service,
            name=host.name,
            address=host.address,
            variables={},
            facts={},
            steps={PHASE.name: steps_of(roles[host.name], "job")},
            changes=(),
            diffs=(),
        )
        for host in targets.hosts
    }
    contents = {digest: file.text for role in roles.values() for digest, file in role.files.items()}
    session = Session(Ask(targets.root, "bench"), RunOptions(targets.root, "bench"), targets, contents=contents)
    session.directory, session.journal, session.fleet, session.plans = run, journal, fleet, plans
    return session


if __name__ == "__main__":
    main(Path(sys.argv[1]))
