"""Roles: plain modules under roles/ that turn a service, variables and facts into steps. A role never asks a host.

roles/standard/<phase>.py takes any service through a phase. What a service adds stands in its own role's steps.py, in functions that are
called as the phase is (`staging`, `validation`), or as what else is asked for: `validate`, `shadow`, `looks`, `rows`, `lab`.
"""

import hashlib
import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

from cutover.core.errors import Problem, UsageError
from cutover.core.step import State, Step
from cutover.inventory.schema import listed
from cutover.inventory.targets import STANDARD, Targets
from cutover.inventory.variables import Variables
from cutover.plan.render import Rendered, render
from cutover.plan.service import PythonArtifact, Service, ServiceRole, load_service, thresholds


@dataclass(frozen=True)
class ReleaseFacts:
    """What a role may know of the release: its id, its artifact's digest and size, and the hosts that it is for."""

    id: str
    sha256: str
    size: int
    python: str
    machine: str


@dataclass(frozen=True)
class RunFacts:
    """What a role may know of the run: its id, and its start as a stamp for file names."""

    id: str
    stamp: str

    @property
    def started_at(self) -> str:
        """The start as ISO 8601 in UTC, to the second."""
        day, clock = self.stamp[:8], self.stamp[9:15]
        return f"{day[:4]}-{day[4:6]}-{day[6:]}T{clock[:2]}:{clock[2:4]}:{clock[4:]}Z"


NO_RELEASE = ReleaseFacts("(no release)", "", 0, "", "")  # where a command only reads, and no release is meant


@dataclass
class RoleContext:
    """All that a role's functions are given, for one host. `render` and `content` register file contents and give their digest."""

    role: ServiceRole
    variables: Variables
    run: RunFacts
    release: ReleaseFacts = NO_RELEASE
    facts: Mapping[str, State] = field(default_factory=dict)
    files: dict[str, Rendered] = field(default_factory=dict)

    def __getitem__(self, variable: str) -> Any:
        """A declared variable's value for this host."""
        return self.variables[variable]

    @cached_property
    def service(self) -> Service:
        """The service, with this host's variables filled in."""
        return self.role.for_host(self.variables, self.release.id, self.run.id, self.run.stamp)

    @property
    def old(self) -> str:
        """What people call the release that is replaced."""
        return self.service.old.label

    @property
    def new(self) -> str:
        """What people call the release that replaces it."""
        return self.service.new.label

    @property
    def old_name(self) -> str:
        """The old release in a file name: its label where that is one word (`v1`), else `old`."""
        return self.old.lower() if self.old.isalnum() else "old"

    @property
    def healthy(self) -> dict[str, object]:
        """What the new release's health check must answer. Where no release is meant, any may answer."""
        health = self.service.new.health
        if health is None:
            return {}
        known = self.release is not NO_RELEASE
        return {key: value for key, value in health.answer.items() if known or NO_RELEASE.id not in str(value)}

    @property
    def state_dir(self) -> str:
        """Where the engine keeps its own things on the host."""
        return str(self["cutover_state_dir"])

    @property
    def backup(self) -> str:
        """Where this run's backup lies: in a directory of root's alone."""
        return f"{self.state_dir}/.rollback/{self.run.id}"

    @property
    def files_and_units(self) -> list[dict[str, Any]]:
        """What a backup holds, and a rollback puts back before the old unit starts: files, units, the link to the release."""
        service, units = self.service, self.service.unit_dir
        old, new = service.old.unit, service.new.unit
        files = [(file.name, "file", file.path, file.backup_as or f"files/{file.name}") for file in service.files]
        old_unit = self.facts.get("old", {}).get("file") or f"{units}/{old}"
        entries = [
            *files,
            ("old-unit", "file", old_unit, f"units/{old}"),
            ("old-drop-ins", "tree", f"{units}/{old}.d", f"units/{old}.d"),
            ("new-unit", "file", f"{units}/{new}", f"units/{new}"),
            *([("release", "link", service.current, "release")] if service.current else []),
        ]
        return [dict(zip(("name", "kind", "source", "as"), entry, strict=True)) for entry in entries]

    @property
    def release_path(self) -> str:
        """Where the release of the run lies on the host."""
        artifact = self.service.artifact
        return f"{artifact.into}/{self.release.id}" if isinstance(artifact, PythonArtifact) else ""

    def render(self, template: str) -> str:
        """Render a template of the role, and give the digest of its text."""
        search = (self.role.root / "roles" / self.role.name / "templates",)
        known = {
            "run": self.run,
            "release": self.release,
            "thresholds": thresholds(self.role, self["watch_thresholds"]),
        }
        return self._keep(render(template, self.variables, known, search))

    def content(self, path: str) -> str:
        """Take a file of the checkout as it is, and give its digest."""
        text = (self.role.root / path).read_text()
        return self._keep(Rendered(text, text, hashlib.sha256(text.encode()).hexdigest(), secrets=False))

    def _keep(self, rendered: Rendered) -> str:
        self.files[rendered.digest] = rendered
        return rendered.digest


def contexts(
    targets: Targets,
    run: RunFacts,
    release: ReleaseFacts = NO_RELEASE,
    facts: Mapping[str, Mapping[str, State]] | None = None,
) -> dict[str, RoleContext]:
    """The context of every chosen host; UsageError with everything that is wrong with the service on any of them."""
    role = load_service(targets.root, targets.service)
    made = {
        name: RoleContext(role, targets.variables[name], run, release, (facts or {}).get(name, {}))
        for name in targets.names
    }
    problems: list[Problem] = []
    for context in made.values():
        try:
            _ = context.service
        except UsageError as wrong:
            problems += wrong.problems
    if problems:
        raise UsageError(problems)
    return made


_LOADED: dict[Path, ModuleType] = {}  # a file is read once in a process


def _load(path: Path) -> ModuleType:
    if path not in _LOADED:
        name = f"roles.{path.parent.name}.{path.stem}"
        spec = importlib.util.spec_from_file_location(name, path)
        if spec is None or spec.loader is None:
            raise UsageError(Problem(path=str(path), found="not a Python module", next="see roles/standard for others"))
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        _LOADED[path] = module
    return _LOADED[path]


def functions_of(role: ServiceRole, phase: str, function: str) -> list[Callable[[RoleContext], Any]]:
    """The standard function of that name for a phase, then the service's own; those that exist."""
    places = (
        (role.root / "roles" / STANDARD / f"{phase}.py", function),
        (role.root / "roles" / role.name / "steps.py", phase if function == "steps" else function),
    )
    found = (getattr(_load(path), name, None) for path, name in places if path.exists())
    return [one for one in found if one is not None]


def steps_of(context: RoleContext, phase: str, function: str = "steps") -> tuple[Step, ...]:
    """The steps that the roles want for a host in a phase, the standard ones first; none where neither has that function."""
    steps = tuple(step for one in functions_of(context.role, phase, function) for step in one(context))
    ids = [step.id for step in steps]
    if doubled := sorted({step_id for step_id in ids if ids.count(step_id) > 1}):
        where = f"roles/{STANDARD}/{phase}.py and roles/{context.role.name}/steps.py"
        raise UsageError(Problem(f"several steps are called {listed(doubled)}", "name each step once", path=where))
    return steps
