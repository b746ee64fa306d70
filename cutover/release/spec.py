"""What a release is made of, and whether all of it is there. The builder knows no service; the spec names one."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cutover.core.errors import Problem, UsageError

OLDEST_PYTHON = (3, 11)  # -P of the launchers is new in it
MACHINES = ("x86_64", "aarch64")


@dataclass(frozen=True)
class ReleaseSpec:
    """The inputs of a build. Paths are of the controller; `code` maps a package's name to its directory."""

    name: str
    version: str
    code: Mapping[str, Path]
    tests: Path
    runtime_lock: Path
    testing_lock: Path
    launchers: Mapping[str, str]  # command in bin/ -> module that `python -m` runs
    python: str  # of the hosts, such as 3.11
    machine: str  # of the hosts, such as x86_64
    cache: Path  # installed dependencies, kept between builds
    out: Path  # where artifacts go
    interpreter: str = "/usr/bin/python3"  # on the hosts
    environment: Mapping[str, str] = field(default_factory=dict)  # of every program in bin/


def check(spec: ReleaseSpec) -> None:
    """Refuse a spec that cannot be built, with everything that is wrong about it."""
    problems = [*_problems_of_names(spec), *_problems_of_launchers(spec), *_problems_of_paths(spec)]
    if problems:
        raise UsageError(problems)


def _problems_of_names(spec: ReleaseSpec) -> Iterator[Problem]:
    for part in ("name", "version"):
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._+]*(-[A-Za-z0-9._+]+)*", getattr(spec, part)):
            found = f"{getattr(spec, part)!r} cannot be part of a file name"
            yield Problem(found, "use letters, digits, dots and single dashes", path=f"release spec: {part}")
    version = re.fullmatch(r"(3)\.(\d+)", spec.python)
    if not version or tuple(map(int, version.groups())) < OLDEST_PYTHON:
        found = f"{spec.python!r} is not a Python that releases are built for"
        oldest = ".".join(map(str, OLDEST_PYTHON))
        advice = f"give the hosts' version as {oldest} or later, without a patch level"
        yield Problem(found, advice, path="release spec: python")
    if spec.machine not in MACHINES:
        found = f"{spec.machine!r} is not a known architecture"
        yield Problem(found, f"use one of {', '.join(MACHINES)}", path="release spec: machine")
    if not spec.interpreter.startswith("/") or not re.fullmatch(r"[\w./+-]+", spec.interpreter):
        found = f"{spec.interpreter!r} is not an absolute path without blanks"
        yield Problem(found, "give the path of python3 on the hosts", path="release spec: interpreter")


def _problems_of_launchers(spec: ReleaseSpec) -> Iterator[Problem]:
    for variable, value in spec.environment.items():
        if not re.fullmatch(r"[A-Z][A-Z0-9_]*", variable) or not re.fullmatch(r"[\w./:,+-]*", value):
            found = f"{variable}={value!r} cannot stand in a launcher"
            advice = "use capitals, digits and _ for its name, and no blanks, quotes or $ in its value"
            yield Problem(found, advice, path=f"release spec: environment: {variable}")
    for command, module in spec.launchers.items():
        path = f"release spec: launchers: {command}"
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]*", command) or command == "run-tests":
            yield Problem(
                f"{command!r} cannot be a command in bin/", "use another name of small letters and dashes", path=path
            )
        if module.split(".")[0] not in spec.code:
            yield Problem(
                f"module {module!r} is in none of {sorted(spec.code)}", "name a module of the code", path=path
            )


def _problems_of_paths(spec: ReleaseSpec) -> Iterator[Problem]:
    for package, directory in spec.code.items():
        if not package.isidentifier():
            yield Problem(f"{package!r} is not a package name", "use a Python identifier", path="release spec: code")
        if not directory.is_dir():
            yield Problem(
                "code directory is missing", "check out the whole project, or correct the spec", path=str(directory)
            )
    if not spec.tests.is_dir():
        yield Problem(
            "directory of the release's tests is missing", "a release carries its own tests", path=str(spec.tests)
        )
    for lock in (spec.runtime_lock, spec.testing_lock):
        if not lock.is_file():
            yield Problem("lock file is missing", "run requirements/relock and commit what it writes", path=str(lock))
