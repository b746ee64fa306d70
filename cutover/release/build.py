"""The release of a run: built for the hosts' Python and architecture, the artifact that was named, or none but the role's own files."""

import hashlib
import sys
from dataclasses import dataclass
from pathlib import Path

from cutover.core.errors import Problem, Refused, UsageError
from cutover.inventory.targets import Targets
from cutover.plan.plan import Plan, ReleasePlan
from cutover.plan.roles import ReleaseFacts, RunFacts, contexts
from cutover.plan.service import NoArtifact, PythonArtifact
from cutover.release.artifact import Artifact, build, inspect
from cutover.release.wheels import digest_file, list_files
from cutover.remote.fleet import Fleet

OLDEST_PYTHON = (3, 11)  # -P of the launchers is new in it
MACHINES = ("x86_64", "aarch64")


@dataclass(frozen=True)
class Release:
    """What a run brings in: what roles may know of it, and where its artifact is on this machine, if it has one."""

    facts: ReleaseFacts
    artifact: Path | None
    sbom: str = ""  # what is in the artifact (CycloneDX)

    @property
    def planned(self) -> ReleasePlan:
        """What the plan says of it."""
        name = self.artifact.name if self.artifact else ""
        return ReleasePlan(id=self.facts.id, sha256=self.facts.sha256, artifact=name, size=self.facts.size)


def release_for(targets: Targets, fleet: Fleet) -> Release:
    """Build the release for these hosts (nothing is done when it is built already), or take --release, and check that it fits."""
    artifact, named = artifact_of(targets), targets.options.release
    if isinstance(artifact, NoArtifact):
        if named:
            found = f"service {targets.service} has no artifact (`artifact: {{kind: none}}`)"
            raise UsageError(Problem(found, "run the command without --release", path=f"--release {named}"))
        return _of_role(targets, artifact)
    wanted = _the_one_target(fleet)
    built = inspect(Path(named)) if named else build(spec_of(targets.root, artifact, *wanted))
    if (built.python, built.machine) != wanted:
        raise Refused(
            Problem(
                host=name,
                path=str(built.path),
                found=f"the release is for Python {built.python} on {built.machine}, the host has {wanted[0]} on {wanted[1]}",
                next="run the command without --release to have one built for these hosts",
            )
            for name in fleet.agents
        )
    return _of_artifact(built)


def release_of(targets: Targets, plan: Plan) -> Release:
    """The release that a plan was made with, as it is here now; UsageError where it is not that one any more."""
    artifact = artifact_of(targets)
    if isinstance(artifact, PythonArtifact):
        return _of_artifact(inspect(targets.root / ".cutover" / "releases" / plan.release.artifact))
    release = _of_role(targets, artifact)
    if release.facts.id != plan.release.id:
        found = f"the role gives release {release.facts.id}, the plan is about {plan.release.id}"
        raise UsageError(
            Problem(found, "plan again, or restore the files of the role", path=f"roles/{targets.service}")
        )
    return release


def release_again(targets: Targets, plan: Plan, fleet: Fleet) -> Release:
    """The release of a run that is resumed; built anew where this machine does not have it. UsageError where another comes of it."""
    artifact, named = artifact_of(targets), targets.options.release
    path = Path(named) if named else targets.root / ".cutover" / "releases" / plan.release.artifact
    there = isinstance(artifact, PythonArtifact) and path.is_file()
    release = _of_artifact(inspect(path)) if there else release_for(targets, fleet)
    if release.facts.sha256 != plan.release.sha256:
        found = f"release {plan.release.id} cannot be made here as it was planned, {release.facts.id} comes of it"
        next_ = "resume it on the machine where it began, or roll back with `./invokew rollback`"
        raise UsageError(Problem(path=str(release.artifact or f"roles/{targets.service}"), found=found, next=next_))
    return release


def artifact_of(targets: Targets) -> NoArtifact | PythonArtifact:
    """The artifact that service.yml describes; but for its place on a host it must be the same for all hosts."""
    artifacts = {name: context.service.artifact for name, context in contexts(targets, RunFacts("", "")).items()}
    described = {name: artifact.model_dump(exclude={"into", "current"}) for name, artifact in artifacts.items()}
    first = next(iter(described))
    if different := [name for name, one in described.items() if one != described[first]]:
        found = f"the artifact of {', '.join(different)} differs from that of {first}"
        raise UsageError(
            Problem(found, "a run brings one release: use the same values for all hosts", path="service.yml: artifact")
        )
    return artifacts[first]


def _of_artifact(artifact: Artifact) -> Release:
    facts = ReleaseFacts(artifact.id, artifact.sha256, artifact.size, artifact.python, artifact.machine)
    return Release(facts, artifact.path, artifact.sbom)


def _of_role(targets: Targets, artifact: NoArtifact) -> Release:
    """Without an artifact the release is what the role says: its version, and a digest over its files."""
    role = targets.root / "roles" / targets.service
    whole = hashlib.sha256()
    for name in list_files(role):
        whole.update(f"{name} {digest_file(role / name)}\n".encode())
    digest = whole.hexdigest()
    return Release(ReleaseFacts(f"{artifact.version}-{digest[:12]}", digest, 0, "", ""), None)


def _the_one_target(fleet: Fleet) -> tuple[str, str]:
    """Python's minor version and the architecture that all hosts share; Refused where they differ."""
    targets = {name: (login["python_minor"], login["machine"]) for name, login in fleet.logins.items()}
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


class ReleaseSpec(PythonArtifact):
    """The inputs of a build: what service.yml says, its paths absolute, and the hosts' Python (such as 3.11) and architecture."""

    python: str
    machine: str
    cache: Path  # installed dependencies, kept between builds
    out: Path  # where artifacts go
    interpreter: str = "/usr/bin/python3"  # the hosts', which launchers run

    @property
    def compilable(self) -> bool:
        """Whether this machine's Python writes compiled files that the hosts' Python reads."""
        return self.python == f"{sys.version_info.major}.{sys.version_info.minor}"


def spec_of(root: Path, artifact: PythonArtifact, python: str, machine: str) -> ReleaseSpec:
    """The build of an artifact for hosts of one kind; UsageError with all that is wrong. Its paths are relative to the checkout `root`."""
    directories = {"tests": artifact.tests, **{f"code.{name}": path for name, path in artifact.code.items()}}
    locks = {"runtime_lock": artifact.runtime_lock, "testing_lock": artifact.testing_lock}
    missing = {name: f"the directory {path}" for name, path in directories.items() if not (root / path).is_dir()}
    missing |= {name: f"the lock file {path}" for name, path in locks.items() if not (root / path).is_file()}
    problems = [
        Problem(
            f"{what} is missing below {root}", "correct the path, or restore it", path=f"service.yml: artifact.{name}"
        )
        for name, what in missing.items()
    ]
    if tuple(map(int, python.split("."))) < OLDEST_PYTHON or machine not in MACHINES:
        expected = f"{'.'.join(map(str, OLDEST_PYTHON))} or later on {' or '.join(MACHINES)}"
        found = f"the hosts have Python {python} on {machine} (expected: {expected})"
        problems.append(Problem(found, "take other hosts, with --limit", path="service.yml: artifact"))
    if problems:
        raise UsageError(problems)
    absolute = {name: root / path for name, path in {"tests": artifact.tests, **locks}.items()}
    written = artifact.model_dump() | absolute | {"code": {name: root / path for name, path in artifact.code.items()}}
    state = root / ".cutover"
    return ReleaseSpec(**written, python=python, machine=machine, cache=state / "cache", out=state / "releases")
