"""What a Python release is made of, every input of it checked before anything is built."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError, ValidationInfo, model_validator

from cutover.core.errors import Problem, UsageError
from cutover.inventory.yamlfile import dotted
from cutover.plan.service import PythonArtifact

OLDEST_PYTHON = (3, 11)  # -P of the launchers is new in it


def _matches(pattern: str, expected: str) -> AfterValidator:
    def check(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise ValueError(f"{value!r} (expected: {expected})")
        return value

    return AfterValidator(check)


def _exists(what: str, is_there: Callable[[Path], bool]) -> AfterValidator:
    def check(path: Path, info: ValidationInfo) -> Path:
        path = info.context["root"] / path if info.context else path
        if not is_there(path):
            raise ValueError(f"{what} is missing: {path}")
        return path

    return AfterValidator(check)


def _not_too_old(version: str) -> str:
    if tuple(map(int, version.split("."))) < OLDEST_PYTHON:
        raise ValueError(f"{version!r} (expected: {OLDEST_PYTHON[0]}.{OLDEST_PYTHON[1]} or later)")
    return version


_FileName = Annotated[
    str, _matches(r"[A-Za-z0-9][A-Za-z0-9._+]*(-[A-Za-z0-9._+]+)*", "letters, digits, dots and single dashes")
]
_Package = Annotated[str, _matches(r"[A-Za-z_]\w*", "a Python identifier")]
_Command = Annotated[
    str, _matches(r"(?!run-tests$)[a-z0-9][a-z0-9-]*", "small letters, digits and dashes, and not run-tests")
]
_Variable = Annotated[str, _matches(r"[A-Z][A-Z0-9_]*", "capitals, digits and _")]
_Value = Annotated[str, _matches(r"[\w./:,+-]*", "no blanks, quotes or $")]
_Directory = Annotated[Path, _exists("the directory", Path.is_dir)]
_LockFile = Annotated[Path, _exists("the lock file, which requirements/relock writes,", Path.is_file)]


class ReleaseSpec(BaseModel):
    """The inputs of a build, which have all been checked."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: _FileName
    version: _FileName
    code: dict[_Package, _Directory]
    tests: _Directory
    runtime_lock: _LockFile
    testing_lock: _LockFile
    launchers: dict[_Command, str]  # command in bin/ -> module that `python -m` runs
    environment: dict[_Variable, _Value] = {}  # of every program in bin/
    interpreter: Annotated[str, _matches(r"/[\w./+-]+", "an absolute path without blanks")] = "/usr/bin/python3"

    # Of the run.
    python: Annotated[str, _matches(r"3\.\d+", "a version without a patch level"), AfterValidator(_not_too_old)]
    machine: Literal["x86_64", "aarch64"]
    cache: Path  # installed dependencies, kept between builds
    out: Path  # where artifacts go

    @model_validator(mode="after")
    def _launchers_run_code(self) -> "ReleaseSpec":
        if unknown := [module for module in self.launchers.values() if module.split(".")[0] not in self.code]:
            raise ValueError(f"launchers run {', '.join(unknown)} (expected: modules of {', '.join(self.code)})")
        return self


def spec_of(root: Path, artifact: PythonArtifact, python: str, machine: str) -> ReleaseSpec:
    """The build of an artifact for hosts of one kind. Paths of service.yml are relative to the checkout `root`."""
    written = artifact.model_dump(exclude={"kind", "into", "current"})
    state = root / ".cutover"
    return checked(
        {**written, "python": python, "machine": machine, "cache": state / "cache", "out": state / "releases"}, root
    )


def checked(values: Mapping[str, object], root: Path) -> ReleaseSpec:
    """The spec of these values, its paths relative to `root`; UsageError with everything that is wrong about it."""
    try:
        return ReleaseSpec.model_validate(values, context={"root": root})
    except ValidationError as wrong:
        raise UsageError(
            Problem(
                path=f"service.yml: {dotted(('artifact', *(part for part in error['loc'] if part != '[key]')))}",
                found=error["msg"].removeprefix("Value error, "),
                next="correct it; cutover/plan/service.py describes every key",
            )
            for error in wrong.errors()
        ) from wrong
