"""Which release this code is, and the digest of the code itself."""

import hashlib
import json
import os
from functools import cache
from pathlib import Path

UNRELEASED = "unreleased"
_PACKAGE = Path(__file__).resolve().parent
# A release is <id>/app/kpi with <id>/manifest.json.
MANIFEST = _PACKAGE.parent.parent / "manifest.json"


@cache
def release_id() -> str:
    """From ABACO_RELEASE, else from the release's manifest, else `unreleased`."""
    named = os.environ.get("ABACO_RELEASE", "")
    if named:
        return named
    if not MANIFEST.is_file():
        return UNRELEASED
    manifest = json.loads(MANIFEST.read_text(encoding="utf-8"))
    return str(manifest.get("release") or manifest.get("id") or UNRELEASED)


@cache
def code_digest() -> str:
    """One digest over all files of this package; two runs with the same one ran the same code."""
    digest = hashlib.sha256()
    for path in sorted(_PACKAGE.rglob("*.py")):
        digest.update(f"{path.relative_to(_PACKAGE)}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def run_id(input_digest: str, config_digest: str) -> str:
    """The name of a run: which input, which config, which code."""
    return f"run_{input_digest[:12]}_{config_digest[:8]}_{code_digest()[:8]}"
