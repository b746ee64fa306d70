"""The runbook of a service: made from phases, steps, checks, exit codes and templates/runbook.md.j2. Never written by hand."""

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from cutover.agent.compare import describe, unit_of
from cutover.agent.state_dir import revert_unit
from cutover.core.errors import ExitCode
from cutover.core.host import Host
from cutover.core.secret import Secret
from cutover.core.step import Step
from cutover.core.templates import environment
from cutover.inventory.declarations import declarations
from cutover.inventory.targets import SERVICE, STANDARD
from cutover.inventory.variables import Variables, resolve
from cutover.plan.phases import PHASES, ROLLBACK, Phase
from cutover.plan.roles import ReleaseFacts, RoleContext, RunFacts, steps_of
from cutover.plan.service import load_service

RUN = RunFacts("<run>", "20260101T000000Z")
RELEASE = ReleaseFacts("<release>", "0" * 64, 1, "<python>", "<machine>")
BAKE = "bake"
TROUBLESHOOTING = "troubleshooting.md.j2"
VARYING = {  # what differs between releases or runs -> what the runbook has in its place
    r" \([0-9a-f]{12}\)": "",
    r"[0-9a-f]{64}": "the planned digest",
    r"2026-01-01T00:00:00Z": "the start of the run",
    r"20260101T000000Z": "<time>",
}
KINDS = {  # what to do where a step does not say it
    "directory": "check owner, mode and file system of the path (mounted read-only, full)",
    "file": "check the file system of the path (mounted read-only, full), and whether another program writes the file",
    "link": "see what is in the way at the path",
    "unit_files": "`systemctl daemon-reload`, then `systemctl cat` of the units",
    "rehearsal": "find out what changed the files while they were copied, then plan again",
    "gap": "systemd's journal of both units has the times",
}
COMPARE = "compare what was found with what was expected, in the report and in the log"
WARNS = "a warning; the run goes on"


@dataclass(frozen=True)
class RunbookEntry:
    """One step or check that can say no: how that shows, what it means, what to do."""

    name: str
    symptom: str
    means: str
    do: str
    words: str = ""
    is_check: bool = False


def generate(service: str, root: Path) -> str:
    """The text of a service's runbook; what is the service's alone comes from its troubleshooting.md.j2, where it has one."""
    templates = environment(root / "templates", root / "roles" / service, sentence=sentence, cell=cell)
    phases = [(phase, entries_of(root, service, phase)) for phase in (*PHASES, ROLLBACK)]
    variables = example_variables(root, service)
    role = RoleContext(load_service(root, service), variables, RUN, RELEASE)
    own = root / "roles" / service / TROUBLESHOOTING
    context = {
        "name": service,
        "service": role.service,
        "old": role.old,
        "new": role.new,
        "phases": phases,
        "codes": list(ExitCode),
        "revert_unit": revert_unit(role.state_dir),
        "backups": Path(role.backup).parent,
        "written": [*(entry.path for entry in role.service.state), *(file.path for file in role.service.files)],
        "stamp": RUN.stamp,
        "own": templates.get_template(TROUBLESHOOTING).render({**variables}) if own.exists() else "",
    }
    return templates.get_template("runbook.md.j2").render({**variables, **context})


@cache
def example_variables(root: Path, service: str) -> Variables:
    """The variables of an example host of a service: every default, and the example of what is required."""
    declared = declarations(root / "roles", [STANDARD, service])
    required = {name: entry.example for name, entry in declared.items() if entry.required} | {SERVICE: service}
    host = Host("example", "192.0.2.1", "example", root / "inventory" / "example" / "known_hosts", variables=required)
    return resolve(host, declared, lambda _source, _base: Secret("example"))


@cache
def entries_of(root: Path, service: str, phase: Phase) -> tuple[RunbookEntry, ...]:
    """Steps in their order (those that watch the bake time are the last phase's), then checks."""
    role = load_service(root, service)
    bare = RoleContext(role, example_variables(root, service), RUN, RELEASE)
    facts: Mapping[str, dict[str, Any]] = {fact.id: {} for fact in steps_of(bare, PHASES[0].name, "facts")}
    context = replace(bare, facts=facts)
    steps = (*steps_of(context, phase.name), *steps_of(context, phase.name, BAKE))
    checks = (check for path in role.files(f"checks/{phase.name}.py") for check in _checks_in(path, phase))
    return (*(_of_step(step, phase) for step in steps), *checks)


def _of_step(step: Step, phase: Phase) -> RunbookEntry:
    expected = ", ".join(f"`{key}` {describe(want, unit_of(key))}" for key, want in step.desired.items())
    if step.id.startswith(f"{BAKE}."):
        means = "the new release did not stay as it was after the gate: every host that was touched is rolled back"
    else:
        means = WARNS if step.severity == "WARN" else phase.on_no
    symptom = _same_in_every_run(f"not as expected: {expected}") if expected else "it could not be measured"
    return RunbookEntry(
        step.id, symptom, means, step.next or KINDS.get(step.kind, COMPARE), _same_in_every_run(step.words)
    )


def _checks_in(path: Path, phase: Phase) -> Iterator[RunbookEntry]:
    """The checks of a file, from their docstrings: what each proves, and the part after "If not:"."""
    for node in ast.parse(path.read_text(), str(path)).body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            words, _, advice = " ".join((ast.get_docstring(node) or node.name).split()).partition("If not:")
            warns = any("warn" in ast.unparse(decorator) for decorator in node.decorator_list)
            name, symptom = f"{phase.name}.{node.name.removeprefix('test_')}", f"not so: {words.strip().rstrip('.')}"
            yield RunbookEntry(name, symptom, WARNS if warns else phase.on_no, advice.strip() or COMPARE, is_check=True)


def _same_in_every_run(words: str) -> str:
    for pattern, instead in VARYING.items():
        words = re.sub(pattern, instead, words)
    return words


def sentence(text: str) -> str:
    """Text with a capital first letter (unless it begins with a command) and an end."""
    text = text.strip()
    first = text[:1].upper() if not text.startswith(("systemctl", "journalctl")) else text[:1]
    return f"{first}{text[1:]}" + ("" if text.endswith((".", "?", "!")) else ".")


def cell(text: str) -> str:
    """Text inside a table of Markdown."""
    return text.replace("|", "\\|").replace("<", "&lt;")
