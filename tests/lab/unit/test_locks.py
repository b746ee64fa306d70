"""The lock files hold what pyproject.toml and the *.in files ask for: who changes a range runs requirements/relock."""

import re
import tomllib
from collections.abc import Iterable, Mapping

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.checkout import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
OWN, EXTRAS, GROUPS = (
    PROJECT["project"]["dependencies"],
    PROJECT["project"]["optional-dependencies"],
    PROJECT["dependency-groups"],
)


def asked(name: str) -> list[str]:
    """What a requirements/*.in asks for."""
    lines = (ROOT / "requirements" / name).read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


# As requirements/relock makes them.
LOCKS = {
    "controller.lock": [*OWN, *EXTRAS["scale"], *EXTRAS["parquet"], *GROUPS["controller"], *GROUPS["dev"]],
    "bench.lock": GROUPS["bench"],
    "release-runtime.lock": [*asked("release-runtime.in"), *OWN],
    "release-testing.lock": asked("release-testing.in"),
}


def pinned(lock: str) -> dict[str, list[str]]:
    """The versions of each package that a lock file pins; several where Pythons or systems differ."""
    found: dict[str, list[str]] = {}
    for name, version in re.findall(r"^([\w.-]+)==([^\s;\\]+)", lock, re.MULTILINE):
        found.setdefault(canonicalize_name(name), []).append(version)
    return found


def missed(wanted: Iterable[str], held: Mapping[str, list[str]]) -> list[str]:
    """What is asked for and not pinned, or pinned outside its range."""
    wrong = []
    for requirement in map(Requirement, wanted):
        versions = held.get(canonicalize_name(requirement.name), [])
        if not versions:
            wrong.append(f"{requirement}: not pinned")
        wrong += [f"{requirement}: pinned {one}" for one in versions if one not in requirement.specifier]
    return wrong


@pytest.mark.parametrize("name", LOCKS)
def test_every_direct_dependency_is_pinned_within_its_range(name: str) -> None:
    held = pinned((ROOT / "requirements" / name).read_text())
    assert missed(LOCKS[name], held) == [], "run requirements/relock and commit requirements/"


def test_every_lock_file_is_one_of_these() -> None:
    assert {path.name for path in (ROOT / "requirements").glob("*.lock")} == set(LOCKS)


def test_what_a_lock_misses_is_named() -> None:
    held = pinned("a==1.0 \\\n    --hash=sha256:00\nB_c==2.1 ; sys_platform == 'win32' \\\n")
    assert missed(["a>=1,<2", "b-c>=2"], held) == []
    assert missed(["a>=1.1", "b.c", "d>=3"], held) == ["a>=1.1: pinned 1.0", "d>=3: not pinned"]
