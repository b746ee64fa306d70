"""MANIFEST.json: what a bundle of evidence holds, by path, size and digest. It is what is signed."""

import json
import re
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

SCHEMA: Literal[1] = 1
NAME, SIGNATURE = "MANIFEST.json", "MANIFEST.json.sig"
PLAIN = re.compile(
    r"[A-Za-z0-9_+@=:,~-][A-Za-z0-9._+@=:,~-]*"
)  # a part of a path: no hidden file, no «..», nothing to escape

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Count = Annotated[int, Field(ge=0)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Head(_Frozen):
    """How far a journal had come: its first hash (which journal it is), number and hash of its last record."""

    journal: Digest
    seq: Count
    hash: Digest


class Entry(_Frozen):
    """One file."""

    path: str
    size: Count
    sha256: Digest


class Tool(_Frozen):
    """What made the bundle: name, and the digest over its code."""

    name: str
    code: Digest


class Manifest(_Frozen):
    """Run, environment, when and by whom it was bundled, heads of its journals, the plan's fingerprint, all its files."""

    schema_version: Literal[1] = SCHEMA
    run: str
    environment: str
    made_at: str
    tool: Tool
    engineer: Annotated[str, Field(min_length=1)]
    key: str
    fingerprint: Digest | None
    heads: Mapping[str, Head]
    files: tuple[Entry, ...]

    def text(self) -> bytes:
        """The one form in which it is written and signed."""
        return (json.dumps(self.model_dump(mode="json"), indent=1, sort_keys=True, ensure_ascii=True) + "\n").encode()


def read(content: bytes) -> tuple[Manifest | None, list[str]]:
    """A manifest from a bundle (None where it is none), and everything that is wrong with it."""
    try:
        manifest = Manifest.model_validate_json(content)
    except ValidationError as wrong:
        errors = wrong.errors(include_url=False)
        return None, [f"{'.'.join(map(str, one['loc'])) or 'the document'}: {one['msg']}" for one in errors[:20]]
    paths = [entry.path for entry in manifest.files]
    found = [f"it names {path!a}, which is no plain relative path" for path in paths if not is_plain(path)]
    if not PLAIN.fullmatch(manifest.environment) or not PLAIN.fullmatch(manifest.run):
        found.append(f"run {manifest.run!a} and environment {manifest.environment!a} must be plain words")
    if paths != sorted(set(paths)):
        found.append("its files are not in order, each once")
    if manifest.text() != content:
        found.append("it is not in the form in which manifests are written")
    return manifest, found


def is_plain(path: str) -> bool:
    """Whether a path is relative, goes nowhere else, and has no character that any system reads in a way of its own."""
    return all(PLAIN.fullmatch(part) for part in path.split("/")) and path not in (NAME, SIGNATURE)
