"""Write what a run produced: metrics in each configured format, a manifest with digests, and latest.json."""

import csv
import hashlib
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kpi import durable

LATEST = "latest.json"
MANIFEST = "manifest.json"
KEY_LENGTH = 16
_FLAT = (
    "name",
    "value",
    "display",
    "unit",
    "status",
    "cause",
    "reason",
    "as_of",
    "row_count",
    "numerator",
    "denominator",
    "unclamped",
    "portfolio_state",
    "formula",
)


def stem(digest: str) -> str:
    """How the outputs of a tape are called: by its content, so that doing it again replaces its own."""
    return f"v2_{digest[:KEY_LENGTH]}"


def output_paths(directory: Path, digest: str, formats: Sequence[str]) -> dict[str, Path]:
    """Where each format of a tape's metrics is, by format; and its manifest."""
    paths = {kind: directory / f"{stem(digest)}.{kind}" for kind in formats}
    return {**paths, "manifest": directory / f"{stem(digest)}.{MANIFEST}"}


def write_outputs(directory: Path, record: dict[str, Any], formats: Sequence[str]) -> dict[str, str]:
    """Write all outputs of one run; the digest of each file by its name. `latest.json` follows accepted tapes only."""
    paths = output_paths(directory, record["tape"]["sha256"], formats)
    contents = {paths[kind]: _as(kind, record) for kind in formats}
    digests = {path.name: hashlib.sha256(content).hexdigest() for path, content in contents.items()}
    contents[paths["manifest"]] = durable.to_json({**_identity(record), "outputs": digests})
    if record["status"] == "ok" and not record["tape"]["canary"]:
        contents[directory / LATEST] = contents[paths["json"]]
    durable.write_files(contents)
    return digests


def _identity(record: dict[str, Any]) -> dict[str, Any]:
    names = ("schema", "run_id", "release", "environment", "status", "verdict", "digests", "started_at", "finished_at")
    return {"tape": record["tape"], **{name: record[name] for name in names}}


def _as(kind: str, record: dict[str, Any]) -> bytes:
    if kind == "json":
        return durable.to_json(record)
    rows = _flat_rows(record)
    if kind == "csv":
        return _csv(rows)
    from kpi.tapes.parquet import frame_bytes

    return frame_bytes(rows)


def _flat_rows(record: dict[str, Any]) -> list[dict[str, Any]]:
    groups = record["by_date"] or {record["as_of"]: record["kpis"]}
    known = {"run_id": record["run_id"], "tape_sha256": record["tape"]["sha256"]}
    return [{**known, **{name: kpi[name] for name in _FLAT}} for group in groups.values() for kpi in group.values()]


def _csv(rows: list[dict[str, Any]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()
