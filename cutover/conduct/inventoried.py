"""A plan is applied with the inventory that it was made from: what has changed there since was never shown to anybody."""

import json
from collections.abc import Iterator
from typing import Any

from cutover.conduct.targets import Targets
from cutover.decide.plan import HostPlan, Plan
from cutover.words.errors import Problem, UsageError
from cutover.words.host import Host

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
