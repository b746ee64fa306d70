"""The pipeline's config: one JSON document, every key required but `input` and `personal`, every error reported at once with its path.

`example_config.json` beside this file is a complete one. All paths hang below `paths.root`; `paths` may also name any
of inbox, processing, done, rejected, metrics, audit and arrivals on its own.
"""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from kpi.findings import Finding, UsageError
from kpi.personal import SCHEMA as PERSONAL
from kpi.schema import Listing, Number, Section, Text, parse_json
from kpi.tapes.rules import CURRENCIES, DECIMALS, SEPARATORS, THOUSANDS, InputRules, cross_check

CONFIG_VERSION = "2.0"
DIRECTORIES = ("inbox", "processing", "done", "rejected", "metrics", "audit")
_MANY = 1e12


def _limits(*names: str) -> Section:
    return Section({name: Number(0, _MANY) for name in names})


# The rows that the commands here judge by, and after them the rest of the table. It travels along, since there is one table for
# validation and monitoring alike: who reads the config on a host sees by which limits the service in it is judged.
THRESHOLDS = Section(
    {
        "kpi_latency_ms": _limits("warn", "critical", "rollback"),
        "throughput_rows_per_second": _limits("warn"),
        "memory_mb": _limits("warn", "critical"),
        "audit_silence_seconds": _limits("warn"),
        "late_tape_seconds": _limits("warn"),
        "quarantined_share": _limits("critical"),
        "errors_per_hour": _limits("warn"),
        "audit_events_per_hour": _limits("warn"),
    },
    {
        "kpi_deviation": _limits("warn", "critical", "rollback"),
        "error_rate": _limits("warn", "critical", "rollback"),
        "memory_growth_per_hour": _limits("warn", "critical"),
        "cpu_percent": _limits("warn", "critical"),
        "restarts": _limits("warn"),
        "crash_loop_restarts": _limits("rollback"),
        "audit_breaks": _limits("rollback"),
        "tapes_without_audit": _limits("rollback"),
        "tapes_lost": _limits("rollback"),
        "tapes_doubled": _limits("rollback"),
        "kpi_drift": _limits("warn"),
        "kpi_drift_since_baseline": _limits("warn"),
        "kpi_drift_floor": _limits("warn"),
        "outputs_missing_or_stale": _limits("critical"),
        "stability": _limits("critical"),
    },
)
# How tapes are written, where that is not the strict way; what is left out is as kpi.tapes.rules.InputRules has it.
INPUT = Section(
    {},
    {
        "separator": Text(SEPARATORS),
        "decimal": Text(DECIMALS),
        "thousands": Text(THOUSANDS),
        "currency": Text(CURRENCIES),
        "longest_record_bytes": Number(1024, 1 << 26, whole=True),
        "expansion_ratio": Number(1, 10_000),
        "expanded_bytes": Number(1, _MANY, whole=True),
    },
)
SCHEMA = Section(
    {
        "version": Text((CONFIG_VERSION,)),
        "environment": Text(),
        "release": Text(),
        "paths": Section(
            {"root": Text(absolute=True)},
            {name: Text(absolute=True) for name in (*DIRECTORIES, "arrivals")},
        ),
        "http": Section({"address": Text(), "port": Number(0, 65535, whole=True)}),
        "service": Section({"poll_seconds": Number(0.01, 60), "stall_seconds": Number(1, 86400)}),
        "quarantine": Section({"policy": Text(("fail", "continue"))}),
        "outputs": Listing(Text(("json", "csv", "parquet"))),
        "thresholds": THRESHOLDS,
    },
    {"input": INPUT, "personal": PERSONAL},
)


@dataclass(frozen=True)
class PipelineConfig:
    """A checked config; `document` is what the file says."""

    source: str
    document: dict[str, Any]
    digest: str

    @classmethod
    def load(cls, path: Path) -> "PipelineConfig":
        """The config in this file, or a UsageError with everything that is wrong with it."""
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            step = "give the path of a rendered config"
            raise UsageError(Finding("config", str(path), f"cannot be read: {error}", step)) from error
        return cls.parse(text, str(path))

    @classmethod
    def parse(cls, text: str, source: str) -> "PipelineConfig":
        """The config in this text, or a UsageError with everything that is wrong with it."""
        document, findings = parse_json(text, source)
        if document is not None:
            found = [*SCHEMA.check(document, ""), *_cross_checks(document)]
            findings += [Finding(one.code, f"{source}: {one.where}", one.found, one.next) for one in found]
        if findings:
            raise UsageError(findings)
        return cls(source, document, hashlib.sha256(text.encode()).hexdigest())

    @property
    def environment(self) -> str:
        """The environment it was rendered for."""
        return str(self.document["environment"])

    @property
    def release(self) -> str:
        """The release it was rendered for."""
        return str(self.document["release"])

    @property
    def root(self) -> Path:
        """The directory that V1 and V2 share."""
        return Path(self.document["paths"]["root"])

    @cached_property
    def paths(self) -> dict[str, Path]:
        """Each working directory by its name."""
        given = self.document["paths"]
        return {name: Path(given.get(name, self.root / name)) for name in DIRECTORIES}

    @property
    def arrivals(self) -> Path:
        """The ledger that the deliverer writes."""
        return Path(self.document["paths"].get("arrivals", self.root / "arrivals.jsonl"))

    @property
    def address(self) -> tuple[str, int]:
        """Where the service answers."""
        return str(self.document["http"]["address"]), int(self.document["http"]["port"])

    @property
    def poll_seconds(self) -> float:
        """How often an empty inbox is polled."""
        return float(self.document["service"]["poll_seconds"])

    @property
    def stall_seconds(self) -> float:
        """After how long without a sign of life the worker counts as stuck."""
        return float(self.document["service"]["stall_seconds"])

    @property
    def quarantine_policy(self) -> str:
        """What a bad row does to its tape: `fail` or `continue`."""
        return str(self.document["quarantine"]["policy"])

    @cached_property
    def input_rules(self) -> InputRules:
        """How tapes are written."""
        return InputRules.of(self.document.get("input", {}))

    @property
    def outputs(self) -> tuple[str, ...]:
        """The formats in which metrics are written."""
        return tuple(self.document["outputs"])

    def limit(self, signal: str, level: str) -> float:
        """One threshold of the table."""
        return float(self.document["thresholds"][signal][level])

    def limits(self, signal: str) -> dict[str, float]:
        """All levels of one signal, for reports."""
        return {level: float(value) for level, value in self.document["thresholds"][signal].items()}


def _cross_checks(document: Any) -> list[Finding]:
    if not isinstance(document, dict):
        return []
    section = document.get("input")
    findings = cross_check(section) if isinstance(section, dict) and not INPUT.check(section, "input") else []
    outputs = document.get("outputs")
    if not isinstance(outputs, list):
        return findings
    if "json" not in outputs:
        findings.append(Finding("config", "outputs", "json is missing", "add json: validation reads it"))
    if "parquet" in outputs and not _parquet_is_available():
        step = "remove it, or build the release with pyarrow"
        findings.append(Finding("config", "outputs", "parquet is asked for and pyarrow is not installed", step))
    return findings


def _parquet_is_available() -> bool:
    from kpi.tapes.arrow import is_available  # brings numpy, which commands that only read logs do without

    return is_available()
