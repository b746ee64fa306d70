"""A service is a role: what roles/<service>/service.yml says of it, checked as a whole, with the variables of a host filled in.

Where a service has no file of its own (rules, checklist, checks of a phase), that of roles/standard/ is used.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from cutover.core.errors import Problem, UsageError
from cutover.core.secret import Secret
from cutover.inventory.declarations import NotPlainError, expand
from cutover.inventory.schema import Duration, did_you_mean, form, listed
from cutover.inventory.targets import STANDARD
from cutover.inventory.variables import Variables
from cutover.inventory.yamlfile import Document, Keys, required

FILE = "service.yml"
NEXT = "correct it; cutover/plan/service.py describes every key"


def _url(written: object) -> object:
    """A health check that is only an URL."""
    return {"url": written} if isinstance(written, str) else written


Seconds = Annotated[Duration, Field(gt=0, le=86400)]
AbsolutePath = Annotated[str, form("path")]
UnitName = Annotated[str, form("unit")]
UserName = Annotated[str, form("user")]
Words = Annotated[str, form("line")]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$")]
Mode = Annotated[str, Field(pattern=r"^0[0-7]{3}$")]
# Names in a release: parts of its file's name, commands in its bin/, and what its launchers set in a shell.
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+]*(-[A-Za-z0-9._+]+)*$")]
PackageName = Annotated[str, Field(pattern=r"^[A-Za-z_]\w*$")]
CommandName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
VariableName = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]*$")]
UnquotedValue = Annotated[str, Field(pattern=r"^[\w./:,+-]*$")]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Health(_Part):
    """Where the service says how it is: an HTTP status, and keys that its JSON document must have with these values."""

    url: Annotated[str, form("url")]
    status: int = 200
    expect: dict[str, Any] = {}
    within: Seconds = 30.0

    @property
    def answer(self) -> dict[str, Any]:
        """What a step must see of it."""
        return {"status": self.status, **{f"body.{key}": value for key, value in self.expect.items()}}


HealthCheck = Annotated[Health, BeforeValidator(_url)]


class Side(_Part):
    """One of the two releases: what people call it, its unit, its health check, and how long it may take to stop."""

    label: Words = ""
    unit: UnitName
    health: HealthCheck | None = None
    stop_within: Seconds = 20.0


class OldSide(Side):
    """The release that is replaced. With `force_stop` it may be killed where it does not stop in time."""

    label: Words = "the old release"
    force_stop: bool = False


class NewSide(Side):
    """The release that replaces it. Without `unit_template` its unit file is there already."""

    label: Words = "the new release"
    unit_template: str = ""


class NoArtifact(_Part):
    """Nothing is brought to the hosts but unit and files; `version` names the release."""

    kind: Literal["none"]
    version: FileName


class PythonArtifact(_Part):
    """A Python release: code, locked dependencies, its own tests; built for the hosts' Python and architecture."""

    kind: Literal["python"]
    name: FileName
    version: FileName
    code: dict[PackageName, Path]
    tests: Path
    runtime_lock: Path
    testing_lock: Path
    launchers: dict[CommandName, str]  # command in bin/ -> module that `python -m` runs
    environment: dict[VariableName, UnquotedValue] = {}  # of every program in bin/
    into: AbsolutePath
    current: AbsolutePath

    @model_validator(mode="after")
    def _launchers_run_code(self) -> Self:
        if unknown := [module for module in self.launchers.values() if module.split(".")[0] not in self.code]:
            raise ValueError(f"launchers run {listed(unknown)} (expected: modules of {listed(self.code)})")
        if "run-tests" in self.launchers:
            raise ValueError("a launcher is called run-tests, which every release has")
        return self


class ManagedFile(_Part):
    """A file that both releases read, and that the new one brings in another content: backed up, switched, restored."""

    name: Name
    path: AbsolutePath
    template: str
    owner: UserName = "root"
    group: UserName = "root"
    mode: Mode = "0644"
    backup_as: Literal[""] | Annotated[str, form("inside")] = ""


class StateEntry(_Part):
    """A directory that the service writes, and what a rollback does with it."""

    name: Name
    path: AbsolutePath
    on_rollback: Literal["restore", "keep"]
    backup_as: Literal[""] | Annotated[str, form("inside")] = ""

    @property
    def snapshot(self) -> dict[str, Any]:
        """The entry of a snapshot that keeps it."""
        return {"name": self.name, "kind": "tree", "source": self.path, "as": self.backup_as or f"state/{self.name}"}


class Needs(_Part):
    """What a host must bring. `connections` are host:port; null means that nobody has said, which is a warning."""

    directories: tuple[AbsolutePath, ...] = ()
    disk_gb: Annotated[float, Field(gt=0)] = 1.0
    ports: tuple[Annotated[int, Field(ge=1, le=65535)], ...] = ()
    connections: tuple[Annotated[str, form("connection")], ...] | None = None
    log_files: tuple[AbsolutePath, ...] = ()
    clock_offset_s: Annotated[float, Field(gt=0)] = 2.0


class Service(_Part):
    """One service, as service.yml says it for one host."""

    title: Words
    user: UserName = "root"
    unit_dir: AbsolutePath = "/etc/systemd/system"
    old: OldSide = Field(alias="from")
    new: NewSide = Field(alias="to")
    artifact: Annotated[NoArtifact | PythonArtifact, Field(discriminator="kind")]
    switch: Literal["stop-start"] = "stop-start"
    files: tuple[ManagedFile, ...] = ()
    state: tuple[StateEntry, ...] = ()
    needs: Needs = Needs()
    log_lines: Annotated[int, Field(ge=10)] = 1000

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        """Two units, and no two files or directories of one name."""
        if self.old.unit == self.new.unit:
            raise ValueError("from.unit and to.unit are the same unit; `switch: stop-start` needs two")
        names = [*(file.name for file in self.files), *(entry.name for entry in self.state)]
        if doubled := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"several entries of files and state are called {listed(doubled)}")
        return self

    @property
    def restored(self) -> list[StateEntry]:
        """What a rollback restores of the state."""
        return [entry for entry in self.state if entry.on_rollback == "restore"]

    @property
    def current(self) -> str:
        """The link that points at the release in service; empty where the artifact has none."""
        return self.artifact.current if isinstance(self.artifact, PythonArtifact) else ""


@dataclass(frozen=True)
class ServiceRole:
    """roles/<name>/: its service.yml as written, and its other files."""

    name: str
    root: Path
    document: Document

    def file(self, name: str) -> Path:
        """A file of the role; where it has none of that name, the standard one."""
        own = self.root / "roles" / self.name / name
        return own if own.exists() else self.root / "roles" / STANDARD / name

    def files(self, name: str) -> list[Path]:
        """The standard file of that name and the role's own, those that exist: they add up."""
        return role_files(self.root, self.name, name)

    @cached_property
    def rules(self) -> tuple[Document, dict[str, Any]]:
        """rules.yml: the document, and its value."""
        return map_in(self.file("rules.yml"))

    def for_host(self, variables: Variables, release: str, run: str, stamp: str) -> Service:
        """The service for one host; UsageError with everything that is wrong with it there."""
        problems: list[Problem] = []
        known = {**variables, "release.id": release, "run.id": run, "run.stamp": stamp}
        filled = _filled(self.document, known, variables.host, problems)
        if problems:
            raise UsageError(problems)
        try:
            return Service.model_validate(filled)
        except ValidationError as wrong:
            raise UsageError(_problem(self.document, error, variables.host) for error in wrong.errors()) from wrong


def role_files(root: Path, service: str, name: str) -> list[Path]:
    """The standard file of that name and that of the service's role, those that exist: they add up."""
    paths = (root / "roles" / role / name for role in (STANDARD, service))
    return [path for path in paths if path.exists()]


def services(root: Path) -> list[str]:
    """The services of a checkout, by the names of their roles."""
    return sorted(found.parent.name for found in (root / "roles").glob(f"*/{FILE}"))


def load_service(root: Path, name: str) -> ServiceRole:
    """Read roles/<name>/service.yml; UsageError where there is none, or where it is not a map."""
    path = root / "roles" / name / FILE
    if not re.fullmatch(r"[a-z][a-z0-9_-]*", name) or not path.is_file():
        there = services(root)
        advice = f"{did_you_mean(name, there)}services of this checkout: {listed(there)}"
        raise UsageError(
            Problem(f"there is no service `{name}`: {path} does not exist", advice, path="cutover_service")
        )
    document, _ = map_in(path)
    return ServiceRole(name, root, document)


def map_in(path: Path) -> tuple[Document, dict[str, Any]]:
    """The document in a file, and its value; UsageError where that is not a mapping."""
    document = required(path)
    if not isinstance(document.value, dict):
        raise UsageError(Problem("holds no map of keys", NEXT, path=str(path)))
    return document, document.value


def thresholds(service: ServiceRole, changes: Mapping[str, Any]) -> dict[str, Any]:
    """The service's table of thresholds (rules.yml) with an environment's changes to rows (the variable watch_thresholds)."""
    document, rules = service.rules
    table = rules.get("thresholds")
    if not isinstance(table, dict):
        next_ = "write `thresholds: {ROW: {LEVEL: LIMIT}}`"
        raise UsageError(Problem("has no table of `thresholds`", next_, path=document.name))
    if unknown := sorted(set(changes) - set(table)):
        advice = f"{did_you_mean(unknown[0], table)}rows: {listed(table)}"
        raise UsageError(
            Problem(f"no row `{name}` in {document.name}", advice, path="watch_thresholds") for name in unknown
        )
    return {row: {**levels, **changes.get(row, {})} for row, levels in table.items()}


def _filled(document: Document, known: Mapping[str, Any], host: str, problems: list[Problem]) -> Any:
    """The document with every `{{ name }}` filled in; a lone one keeps the type of what it names."""

    def lookup(name: str) -> object:
        if name not in known:
            raise NotPlainError(f"`{name}` is not defined; {did_you_mean(name, list(known))}".rstrip("; "))
        if isinstance(known[name], Secret):
            raise NotPlainError(f"`{name}` is a secret, which only a template may take in")
        return known[name]

    def fill(value: object, keys: Keys) -> object:
        if isinstance(value, dict):
            return {key: fill(item, (*keys, key)) for key, item in value.items()}
        if isinstance(value, list):
            return [fill(item, (*keys, number)) for number, item in enumerate(value)]
        try:
            return expand(value, lookup) if isinstance(value, str) else value
        except NotPlainError as wrong:
            advice = "write plain `{{ name }}` references; conditions and filters belong into templates"
            problems.append(Problem(str(wrong), advice, host, document.where(*keys)))
            return value

    return fill(document.value, ())


def _problem(document: Document, error: Any, host: str) -> Problem:
    """One finding of pydantic's, with its line in the file."""
    keys = tuple(
        key for key in error["loc"] if key not in ("none", "python", "[key]")
    )  # pydantic's own, not keys of the file
    given = "" if isinstance(error["input"], dict) else f" (found {error['input']!r})"
    return Problem(f"{error['msg'].removeprefix('Value error, ')}{given}", NEXT, host, document.where(*keys))
