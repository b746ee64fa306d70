"""The release of a run: built for the hosts' Python and architecture, or the artifact that was named."""

from pathlib import Path

from cutover.core.errors import Problem, Refused
from cutover.inventory.targets import Targets
from cutover.plan.roles import ReleaseFacts
from cutover.release.artifact import Artifact, build, inspect
from cutover.release.spec import load_spec
from cutover.remote.fleet import Fleet


def release_for(targets: Targets, fleet: Fleet) -> Artifact:
    """Build the release for these hosts (nothing is done when it is built already), or take --release, and check that it fits."""
    wanted = _the_one_target(fleet)
    named = targets.options.release
    artifact = inspect(Path(named)) if named else build(load_spec(targets.root, *wanted))
    if (artifact.python, artifact.machine) != wanted:
        raise Refused(
            Problem(
                host=name,
                path=str(artifact.path),
                found=f"the release is for Python {artifact.python} on {artifact.machine}, the host has {wanted[0]} on {wanted[1]}",
                next="run without --release to have one built for these hosts",
            )
            for name in fleet.agents
        )
    return artifact


def facts_of(artifact: Artifact) -> ReleaseFacts:
    """What roles may know of it."""
    return ReleaseFacts(artifact.id, artifact.sha256, artifact.size, artifact.python, artifact.machine)


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
