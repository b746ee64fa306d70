"""What a Python release is made of, every input of it checked before anything is built."""

import sys
from pathlib import Path

from cutover.core.errors import Problem, UsageError
from cutover.plan.service import PythonArtifact

OLDEST_PYTHON = (3, 11)  # -P of the launchers is new in it
MACHINES = ("x86_64", "aarch64")


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
