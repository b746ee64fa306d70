"""A plan as people approve it: steps by phase, what is there already, file diffs, batches, release, fingerprint.

Hosts with the same plan are shown once. Differences in figures only (a process id) do not count.
"""

from collections.abc import Mapping, Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table

from cutover.console.progress import alike
from cutover.console.text import clean, count, joined, names, text
from cutover.core.step import Step
from cutover.plan.gate import differences_of
from cutover.plan.phases import PHASES, ROLLBACK, Phase
from cutover.plan.plan import FileDiff, HostPlan, Plan
from cutover.timeline.problems import without_host

STYLES = {"=": "dim", "!": "bold yellow", "+": "cyan", "?": "dim"}
LEGEND = "+ to do   = ok, or done already   ? checked in its phase   ! wrong now"
DIFF = {"+": "green", "-": "red", "@": "cyan", "~": "yellow"}


def plan_view(plan: Plan, *, diff: bool) -> RenderableType:
    """The whole plan; with diff, every file that is written as diff by keys and by lines."""
    parts: list[RenderableType] = []
    for hosts in alike(list(plan.hosts), lambda name: _looks(plan.hosts[name])):
        parts += _hosts(plan, hosts, diff=diff)
    return Group(*parts, text(LEGEND, "dim"), text(""), _approve(plan, diff=diff))


def _mark(phase: Phase, step: Step, found: Sequence[str]) -> str:
    """What a step will have to do (see LEGEND), by what was found on the host at planning."""
    if step.probe and not phase.gathers:
        return "?"
    return ("!" if step.probe else "+") if found else "="


def _looks(host: HostPlan) -> object:
    """What hosts of the same plan have in common."""
    changes = {change.step: change.differences for change in host.changes}
    steps = ((phase, step) for phase in PHASES for step in host.of(phase))
    words = ((without_host(one.words, host.name), _mark(phase, one, changes.get(one.id, ()))) for phase, one in steps)
    return tuple(words), tuple((file.path, file.lines) for file in host.diffs)


def _hosts(plan: Plan, hosts: Sequence[str], *, diff: bool) -> list[RenderableType]:
    """What is done on hosts that have the same plan."""
    first = plan.hosts[hosts[0]]
    found = {name: {change.step: change.differences for change in plan.hosts[name].changes} for name in hosts}
    parts: list[RenderableType] = [text(names(hosts, 12), "bold underline"), text("")]
    for phase in PHASES:
        steps = _table(phase, _of_all(first.of(phase), hosts), [found[name] for name in hosts])
        parts += [text(phase.label, "bold"), steps, text("")]
    parts += [text(f"{ROLLBACK.title}, if a gate fails in phases 3-5", "bold")]
    parts += [text(f"  < {step.words}", "dim") for step in _of_all(first.of(ROLLBACK), hosts)]
    parts += [text(""), text("Files to write", "bold")]
    for file in first.diffs:
        parts += _file(file, diff=diff)
    return [*parts, text("")]


def _of_all(steps: Sequence[Step], hosts: Sequence[str]) -> list[Step]:
    """The steps of the first host in words that fit all of them."""
    known = hosts[0] if len(hosts) > 1 else ""
    return [step.model_copy(update={"words": without_host(step.words, known)}) for step in steps]


def _table(phase: Phase, steps: Sequence[Step], found: Sequence[Mapping[str, Sequence[str]]]) -> Table:
    table = Table(box=None, show_header=False, padding=(0, 1, 0, 1), pad_edge=True)
    table.add_column("mark", no_wrap=True)
    table.add_column("words", overflow="fold")
    for step in steps:
        differences = [tuple(host.get(step.id, ())) for host in found]
        mark, words = _mark(phase, step, differences[0]), step.words
        if mark == "!":
            words += f": {_difference(step, differences)}" + ("" if step.severity == "FAIL" else " (a warning)")
        table.add_row(text(mark, STYLES[mark]), text(words, "" if mark in "+!" else "dim"))
    return table


def _difference(step: Step, found: Sequence[tuple[str, ...]]) -> str:
    """What was found, where it is the same on all hosts; else only what it is about."""
    if len(set(found)) == 1:
        return "; ".join(differences_of(step, found[0]))
    keys = dict.fromkeys(line.partition(": found")[0] for lines in found for line in lines)
    return f"{', '.join(keys)} (differs between hosts)"


def _file(file: FileDiff, *, diff: bool) -> list[RenderableType]:
    lines = file.lines.splitlines()[2:]  # without the two names
    added, gone = (sum(line.startswith(sign) for line in lines) for sign in "+-")
    if not lines:
        return [text(f"  = {file.path}: unchanged", "dim")]
    changed = f"differs in {count(len(file.keys), 'key')}" if file.keys else "changed"
    kind = "new" if file.against == "nothing" else changed
    head = text(f"  + {file.path}: {kind}, lines +{added} -{gone}")
    if not diff:
        return [head]
    shown = [*file.keys, *([""] if file.keys else []), *file.lines.splitlines(), ""]
    return [head, *(Padding(text(line or " ", DIFF.get(line[:1], "")), (0, 0, 0, 6)) for line in shown)]


def _approve(plan: Plan, *, diff: bool) -> RenderableType:
    """What a yes means."""
    facts = {
        "run": f"{plan.run}, by {plan.created_by}",
        "hosts": f"{count(len(plan.hosts), 'host')} of {plan.environment} ({plan.pattern})",
        "release": f"{plan.release.id}, {plan.release.size / 1e6:.1f} MB, sha256 {plan.release.sha256[:12]}",
        **{f"batch {n}/{len(plan.batches)}": clean(names(batch, 12)) for n, batch in enumerate(plan.batches, start=1)},
        "fingerprint": plan.fingerprint,
    }
    hint = [] if diff else [text("--diff shows the content of the files", "dim")]
    return joined([*(text(f"{name:<12} {fact}") for name, fact in facts.items()), *hint])
