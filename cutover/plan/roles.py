"""Roles: plain modules under roles/ that turn variables and facts into steps. A role never asks a host."""

import hashlib
import importlib.util
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from cutover.core.errors import Problem, UsageError
from cutover.core.step import State, Step
from cutover.inventory.variables import Variables
from cutover.plan.render import Rendered, render, search_path


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


@dataclass
class Role:
    """All that a role's functions are given. `render` and `content` register file contents and give their digest."""

    name: str
    root: Path  # the checkout, with roles/ and templates/
    variables: Variables
    run: RunFacts
    release: ReleaseFacts | None = None
    facts: Mapping[str, State] = field(default_factory=dict)
    files: dict[str, Rendered] = field(default_factory=dict)

    def __getitem__(self, variable: str) -> Any:
        """A declared variable's value for this host."""
        return self.variables[variable]

    def the_release(self) -> ReleaseFacts:
        """The release of the run; a role that needs one cannot be used without."""
        if self.release is None:
            raise UsageError(
                Problem(
                    host=self.variables.host,
                    found=f"role {self.name} needs a release, and there is none",
                    next="name one with --release",
                )
            )
        return self.release

    def render(self, template: str, **extra: Any) -> str:
        """Render a template of this role or of templates/, and give the digest of its text."""
        known = {"run": self.run, "release": self.release, "facts": self.facts, **extra}
        return self._keep(render(template, self.variables, known, search_path(self.root, self.name)))

    def content(self, path: str) -> str:
        """Take a file of the checkout as it is, and give its digest."""
        text = (self.root / path).read_text()
        return self._keep(Rendered(text, text, hashlib.sha256(text.encode()).hexdigest(), secrets=False))

    def _keep(self, rendered: Rendered) -> str:
        self.files[rendered.digest] = rendered
        return rendered.digest


_LOADED: dict[Path, ModuleType] = {}  # a role is read once in a process
RoleFunction = Callable[[Role], Sequence[Step]]


def load(roles_dir: Path, name: str) -> ModuleType:
    """Import roles/<name>/steps.py."""
    path = roles_dir / name / "steps.py"
    if not path.is_file():
        raise UsageError(
            Problem(path=str(path), found=f"role {name} has no steps.py", next="add one, or name another role")
        )
    if path not in _LOADED:
        spec = importlib.util.spec_from_file_location(f"roles.{name}.steps", path)
        if spec is None or spec.loader is None:
            raise UsageError(Problem(path=str(path), found="not a Python module", next="see the other roles"))
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        _LOADED[path] = module
    return _LOADED[path]


def steps_of(role: Role, function: str = "steps") -> tuple[Step, ...]:
    """The steps that a role wants for a host; none where the role lacks that function."""
    wanted: RoleFunction | None = getattr(load(role.root / "roles", role.name), function, None)
    steps = tuple(wanted(role)) if wanted else ()
    ids = [step.id for step in steps]
    if doubled := {step_id for step_id in ids if ids.count(step_id) > 1}:
        raise UsageError(
            Problem(
                path=f"roles/{role.name}/steps.py",
                found=f"two steps with one id: {', '.join(doubled)}",
                next="name each step once",
            )
        )
    return steps
