"""Against what hosts are held when their checks run alone: the plan of a run, as the hosts keep it themselves."""

from collections.abc import Sequence

from cutover.conduct.fleet import Fleet
from cutover.conduct.resuming.history import Known, known_run
from cutover.decide.phases import COMMITTING, PHASES, ROLLBACK, Phase, phase_named
from cutover.words.errors import Problem, UsageError


def phase_to_check(phase: str) -> Phase | None:
    """The phase of a name or number; None where none is named. UsageError where there is no such phase."""
    try:
        return phase_named(phase) if phase else None
    except KeyError:
        known = f"one of {', '.join(one.name for one in PHASES)}, {ROLLBACK.name}"
        raise UsageError(Problem(path="--phase", found=f"no phase {phase}", next=known)) from None


def run_to_check(
    fleet: Fleet, run: str, phase: Phase | None, unreachable: Sequence[Problem]
) -> tuple[Known | None, list[Problem]]:
    """The run whose plans the hosts are held against, and why which hosts cannot be: who could not be asked hides no other.

    None where nobody who answers knows such a run. UsageError where all answer and there is none, or where a host has no part in it.
    """
    phases = [phase.name] if phase else [one.name for one in (*COMMITTING, ROLLBACK)]
    known, silent = known_run(fleet, run, lambda candidate: candidate.ran(phases))
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
    last = {
        name: ((known.entry(name) or {}).get("batches") or [f"{PHASES[0].name}-0"])[-1].rpartition("-")[0]
        for name in known.plans
    }
    if len(set(last.values())) > 1:
        said = ", ".join(f"{name}: {phase}" for name, phase in last.items())
        found, advice = f"the hosts are at different phases ({said})", "name one with --phase, and hosts with --limit"
        raise UsageError(Problem(path="--phase", found=found, next=advice))
    return phase_named(next(iter(last.values())))
