"""Phase 2: the release lies beside the others, as it was built. Nothing that the old release uses is touched."""

from cutover.core.step import Step
from cutover.plan.roles import RoleContext
from cutover.plan.service import PythonArtifact
from cutover.plan.steps import directory, release


def steps(role: RoleContext) -> list[Step]:
    """Unpack the artifact, where the service has one."""
    artifact, this = role.service.artifact, role.release
    if not isinstance(artifact, PythonArtifact):
        return []
    return [
        directory("staging.releases", artifact.into),
        release(
            "staging.release",
            role.release_path,
            this.id,
            f"{role.state_dir}/incoming/{this.id}.tar.gz",
            this.sha256,
            next="the release on the host is not the one that was built: remove it there if nothing runs from it, and stage again",
        ),
    ]
