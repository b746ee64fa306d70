"""MANIFEST.json: what a bundle holds. It is what is signed, and it decides every byte of the tar."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from tarfile import USTAR_FORMAT, TarInfo
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from cutover.journal.signing import PUBLIC_KEY

NAME, SIGNATURE = "MANIFEST.json", "MANIFEST.json.sig"
# Of a path: no hidden file, no "..", nothing that a system reads in its own way.
_PART = r"[A-Za-z0-9_+@=:,~-][A-Za-z0-9._+@=:,~-]*"

Plain = Annotated[str, Field(pattern=rf"^{_PART}$")]
PlainPath = Annotated[str, Field(pattern=rf"^{_PART}(/{_PART})*$")]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Count = Annotated[int, Field(ge=0)]


class _FrozenModel(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class JournalHead(_FrozenModel):
    """How far a journal had come: its first hash (which journal it is), number and hash of its last record."""

    journal: Digest
    seq: Count
    hash: Digest


class BundledFile(_FrozenModel):
    """One file of the run: path, size in bytes, SHA-256."""

    path: PlainPath
    size: Count
    sha256: Digest


class Manifest(_FrozenModel):
    """Run, service, environment, when and by whom it was bundled, the plan's fingerprint, heads of its journals, all its files."""

    schema_version: Literal[1] = 1
    run: Plain
    service: Plain
    environment: Plain
    made_at: Annotated[str, Field(pattern=r"^[0-9-]{10}T[0-9:]{8}\.[0-9]{3}Z$")]
    engineer: Annotated[str, Field(min_length=1)]
    public_key: Annotated[str, Field(pattern=rf"^{PUBLIC_KEY}$")]
    fingerprint: Digest | None
    heads: Mapping[Annotated[str, Field(pattern=r"^(journal|watch)\.jsonl$")], JournalHead]
    files: tuple[BundledFile, ...]

    @model_validator(mode="after")
    def _is_sound(self) -> Self:
        paths = [file.path for file in self.files]
        if paths != sorted({*paths} - {NAME, SIGNATURE}):
            raise ValueError("the paths of its files are not in order, each once")
        if moment(self.made_at) is None:
            raise ValueError(f"made_at {self.made_at} is not a time")
        return self

    def text(self) -> bytes:
        """The one form in which it is written and signed."""
        return (json.dumps(self.model_dump(mode="json"), indent=1, sort_keys=True) + "\n").encode()


def header(path: str, size: int) -> bytes:
    """The one tar header of a regular file in a bundle; ValueError for a path or size that ustar has no room for."""
    return tar_info(path, size).tobuf(USTAR_FORMAT, "ascii", "strict")


def tar_info(path: str, size: int) -> TarInfo:
    """A regular file with mode 0644, no owner, time 0."""
    info = TarInfo(path)
    info.size = size
    return info


def read_manifest(content: bytes) -> tuple[Manifest | None, list[str]]:
    """A manifest from a bundle (None where it is not one), and everything that is wrong with it."""
    try:
        manifest = Manifest.model_validate_json(content)
    except ValidationError as wrong:
        return None, reasons(wrong)
    return manifest, [] if manifest.text() == content else ["it is not in the form in which manifests are written"]


def reasons(wrong: ValidationError) -> list[str]:
    """The first errors of a document, each with its path."""
    errors = wrong.errors(include_url=False)[:20]
    return [f"{'.'.join(map(str, one['loc'])) or 'the document'}: {one['msg']}" for one in errors]


def moment(at: str) -> datetime | None:
    """A time of a journal or manifest; None where it is not one in UTC."""
    try:
        found = datetime.fromisoformat(at)
    except ValueError:
        return None
    return found if found.utcoffset() == timedelta(0) else None
