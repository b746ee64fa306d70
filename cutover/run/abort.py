"""`abort` before phase 3: a run that was only prepared, and whose controller is gone, gives its hosts back."""

from collections.abc import Mapping

from cutover.core.errors import ExitCode, Locked, Unreachable
from cutover.core.step import State
from cutover.inventory.targets import Targets
from cutover.journal.journal import Journal
from cutover.journal.process_id import identity
from cutover.journal.rundir import RunDir
from cutover.remote.agent import HostAgent
from cutover.remote.fleet import Fleet, connected_as_far_as_possible, raise_all
from cutover.remote.timeouts import ASK_S, times_of
from cutover.run.history import ask, is_touched
from cutover.run.leases import dead_holders, holder, refuse_held
from cutover.run.options import RunOptions


def give_up(targets: Targets, options: RunOptions) -> dict[str, list[str]]:
    """Release all hosts that a run left held before phase 3 (just the one that is named, where one is); gives them by run.

    Raises Locked for a host whose holder may be alive, unless it is the one to steal from.
    """
    run, steal = options.run, options.steal_lock
    with connected_as_far_as_possible(targets) as (fleet, unreachable):
        statuses, silent = ask(fleet)
        left = left_held(statuses, run)
        dead = dead_holders(None, statuses, steal)
        refuse_held({name: statuses[name] for name in left if name not in dead})
        _release(fleet, left, dead, times_of(targets).lease)
        if lost := [*unreachable, *silent]:
            raise Unreachable(lost)
    released: dict[str, list[str]] = {}
    for name, of in left.items():
        released.setdefault(of, []).append(name)
    for of, hosts in released.items():
        _record(options.directory(of), hosts)
    return released


def left_held(statuses: Mapping[str, State], run: str) -> dict[str, str]:
    """Hosts that a run (just the one that is named, where one is) took and never gave back, before phase 3; gives it by host."""
    left = {
        name: str(status["lease"]["run"])
        for name, status in statuses.items()
        if status["lease"]["run"] and not status["lease"]["released"]
    }
    return {name: of for name, of in left.items() if not is_touched(statuses[name], of) and run in ("", of)}


def _release(fleet: Fleet, left: Mapping[str, str], dead: Mapping[str, str], lease_s: float) -> None:
    """Take each lease over, so that whoever had it is fenced, and give it back."""

    def release(agent: HostAgent) -> State:
        run, who = left[agent.name], holder()
        claim = {"process": identity(), "instead_of": dead.get(agent.name, "")}
        taken = agent.begin(run=run, holder=who, nonce=f"abort {identity()}", lease_s=lease_s, claim=claim)
        token = int(taken["lease"]["token"])
        try:
            return agent.disarm(token=token)  # it waits for the step that may still be at work; the next one is refused
        finally:
            agent.release(token=token)

    raise_all(fleet.each(release, list(left), deadline=ASK_S))


def _record(directory: RunDir, hosts: list[str]) -> None:
    """The end of the run in its journal, where it began on this machine: there is nothing to go on with any more."""
    if not directory.journal_file.exists():
        return
    try:
        journal: Journal = directory.journal()
    except Locked:  # the holder that was robbed still has it: it will find itself fenced, and write its own end
        return
    try:
        journal.write("lease.released", hosts=hosts, failed={})
        journal.write("run.finished", exit_code=int(ExitCode.DONE), status="given up")
    finally:
        journal.close()
