"""The release of a run: built for the hosts' Python and architecture, or the artifact that was named."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from cutover.core.errors import Problem, Refused, UsageError
from cutover.inventory.targets import Targets
from cutover.inventory.yamlfile import read
from cutover.plan.roles import ReleaseFacts
from cutover.release.artifact import Artifact, build, inspect
from cutover.release.spec import ReleaseSpec
from cutover.remote.fleet import Fleet

SPEC = "release.yml"


def release_for(targets: Targets, fleet: Fleet) -> Artifact:
    """Build the release for these hosts (nothing is done when it is built already), or take --release, and see that it fits."""
    wanted = _the_one_target(fleet)
    named = targets.options.release
    artifact = inspect(Path(named)) if named else build(spec(targets.root, *wanted))
    if (artifact.python, artifact.machine) != wanted:
        raise Refused(
            Problem(
                host=name,
                path=str(artifact.path),
                found=f"the release is for Python {artifact.python} on {artifact.machine}, the host has {wanted[0]} on {wanted[1]}",
                next="leave --release away to have one built for these hosts",
            )
            for name in fleet.agents
        )
    return artifact


def facts_of(artifact: Artifact) -> ReleaseFacts:
    """What roles may know of it."""
    return ReleaseFacts(artifact.id, artifact.sha256, artifact.size, artifact.python, artifact.machine)


class ReleaseFile(BaseModel):
    """release.yml: what goes into the release. Paths are relative to the checkout."""

    model_config = ConfigDict(extra="forbid")

    name: str
    version: str
    code: dict[str, Path]
    tests: Path
    runtime_lock: Path
    testing_lock: Path
    launchers: dict[str, str]
    environment: dict[str, str] = {}


def spec(root: Path, python: str, machine: str) -> ReleaseSpec:
    """Read release.yml for one target."""
    problems: list[Problem] = []
    document = read(root / SPEC, problems)
    if document is None:
        raise UsageError(problems)
    try:
        said = ReleaseFile.model_validate(document.value)
    except ValidationError as wrong:
        raise UsageError(
            Problem(
                path=document.where(*error["loc"]),
                found=f"{error['msg']} ({error['input']!r})",
                next=f"see {SPEC} of the project for an example",
            )
            for error in wrong.errors()
        ) from wrong
    return ReleaseSpec(
        name=said.name,
        version=said.version,
        code={name: root / path for name, path in said.code.items()},
        tests=root / said.tests,
        runtime_lock=root / said.runtime_lock,
        testing_lock=root / said.testing_lock,
        launchers=said.launchers,
        environment=said.environment,
        python=python,
        machine=machine,
        cache=root / ".cutover" / "cache",
        out=root / ".cutover" / "releases",
    )


def _the_one_target(fleet: Fleet) -> tuple[str, str]:
    """Python's minor version and the architecture that all hosts share; Refused where they differ."""
    targets = {
        name: (".".join(map(str, (login.python_version or ())[:2])), login.machine)
        for name, login in fleet.logins.items()
    }
    if len(set(targets.values())) == 1:
        return next(iter(targets.values()))
    raise Refused(
        Problem(
            host=name,
            found=f"Python {python} on {machine}, while other hosts differ",
            next="take hosts of one kind at a time, with --limit",
        )
        for name, (python, machine) in targets.items()
    )
