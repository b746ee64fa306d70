"""A service: what `roles/<service>/service.yml` says of it."""

from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict


class Labels(BaseModel):
    """What people call the release that is replaced, and the one that replaces it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    old: str = "the old release"
    new: str = "the new release"


class Service(BaseModel):
    """One service of this checkout, by its role's name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    title: str
    labels: Labels = Labels()


def load(root: Path, name: str) -> Service:
    """Read roles/<name>/service.yml."""
    return Service(name=name, **yaml.safe_load((root / "roles" / name / "service.yml").read_text()))
