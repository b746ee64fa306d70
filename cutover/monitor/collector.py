"""Samples all hosts of a watch. A host that does not answer gives a sample too, which says so."""

import time
from collections.abc import Sequence

from cutover.core.samples import Sample
from cutover.core.step import State, Step
from cutover.inventory.targets import Targets
from cutover.monitor.state import WatchClock
from cutover.monitor.watch import Collect
from cutover.plan.roles import RunFacts, contexts, steps_of
from cutover.remote.agent import HostAgent
from cutover.remote.fleet import Fleet, as_problems

ROLE = "watch"
LOOKS, ROWS = "looks", "rows"  # the role's functions: the steps of every sample, and what a recorded row adds
BETWEEN_S = 0.5  # between two samples that show how busy a service is
SLACK_S = 20.0  # what the way to a host and back may take beyond its steps


def collector(targets: Targets, fleet: Fleet, run: RunFacts) -> Collect:
    """A function that samples hosts through their deployed service, by the steps of the role."""
    roles = contexts(targets, run)
    known = {name: {part: steps_of(role, ROLE, part) for part in (LOOKS, ROWS)} for name, role in roles.items()}

    def collect(clock: WatchClock, hosts: Sequence[str], *, row: bool) -> list[Sample]:
        """One sample of each host, in order, taken at the same time."""
        steps = {name: (*known[name][LOOKS], *(known[name][ROWS] if row else ())) for name in hosts}
        deadline = max(sum(_time_limit(step) for step in one) for one in steps.values())

        def measure(agent: HostAgent) -> tuple[float, list[State]]:
            return clock.now(), agent.measure(steps[agent.name], deadline_s=deadline)

        samples = []
        for name, outcome in fleet.each(measure, hosts, deadline=deadline + SLACK_S).items():
            if outcome.error is not None:
                problem = as_problems(outcome.error, name)[0]
                at = clock.now()
                samples.append(Sample(name, at, clock.at_watch(at), row=row, error=problem.found))
                continue
            at, outcomes = outcome.unwrap()
            samples.append(Sample(name, at, clock.at_watch(at), _documents(outcomes), row))
        return samples

    return collect


def steps_outside_watch(targets: Targets) -> dict[str, tuple[Step, ...]]:
    """The steps of a sample of each host, outside any watch."""
    return {name: steps_of(role, ROLE, LOOKS) for name, role in contexts(targets, RunFacts(ROLE, "")).items()}


def sample_twice(agent: HostAgent, steps: Sequence[Step]) -> State:
    """Two samples, `first` and `last`, `seconds` apart: the second asks the probes alone, for what only shows by its change."""
    whole = sum(_time_limit(step) for step in steps)
    began, first = time.monotonic(), _documents(agent.measure(steps, deadline_s=whole))
    time.sleep(BETWEEN_S)
    again = [step for step in steps if step.probe]
    last = _documents(agent.measure(again, deadline_s=whole))
    return {"first": first, "last": {**first, **last}, "seconds": time.monotonic() - began}


def _time_limit(step: Step) -> float:
    """How long a step may take, in seconds: a command says it, a probe is quick."""
    return float(step.args.get("timeout_s", 5.0))


def _documents(outcomes: Sequence[State]) -> dict[str, State]:
    """What each step saw, by its name without the role: a command's document, a probe's state; an `error` where there is none."""
    return {one["id"].partition(".")[2]: _document(one) for one in outcomes}


def _document(outcome: State) -> State:
    after: State = outcome["after"] or {}
    if "document" not in after:
        return after
    document = after["document"]
    said = str(after.get("stderr") or after.get("output") or outcome.get("error") or "it printed nothing").strip()
    return document if isinstance(document, dict) else {"error": said[-500:]}
