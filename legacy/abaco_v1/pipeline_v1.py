#!/usr/bin/env python3
"""Version 1 of the loans pipeline: takes tapes from the inbox, writes bare KPI numbers; a service, or for one tape."""

import argparse
import csv
import hashlib
import io
import json
import os
import re
import signal
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import yaml

VERSION = "1.0.4"
ACTOR = "pipeline_v1"
CLAIMED = re.compile(r"([0-9a-f]{64})__(.+)")


class BadTapeError(Exception):
    """The tape cannot be calculated."""


def number(text: str | None) -> float:
    """An amount; currency signs and thousands separators are dropped, nothing counts as zero."""
    cleaned = (text or "").replace("$", "").replace(",", "").strip()
    try:
        return float(cleaned) if cleaned else 0.0
    except ValueError:
        return 0.0


def read_rows(content: bytes, required: list[str]) -> list[dict[str, str]]:
    """The rows of a CSV tape."""
    try:
        reader = csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""))
        rows = list(reader)
    except (UnicodeDecodeError, csv.Error) as error:
        raise BadTapeError(f"not readable: {error}") from error
    missing = [column for column in required if column not in (reader.fieldnames or [])]
    if missing:
        raise BadTapeError(f"missing required columns: {missing}")
    if not rows:
        raise BadTapeError("no rows")
    return rows


def total(rows: list[dict[str, str]], *columns: str) -> float:
    """The sum of some columns over all rows."""
    return sum(number(row.get(column)) for row in rows for column in columns)


def par30(rows: list[dict[str, str]]) -> float:
    """Share of the receivable that is 30 days past due; the only figure that is rounded."""
    for row in rows:
        if not (row.get("total_receivable_usd") or "").strip() or number(row["total_receivable_usd"]) < 0:
            raise BadTapeError("total_receivable_usd is null or negative")
    return total(rows, "dpd_30_60_usd", "dpd_60_90_usd", "dpd_90_plus_usd") / total(rows, "total_receivable_usd") * 100


def calculate(rows: list[dict[str, str]]) -> dict[str, float]:
    """The four figures."""
    try:
        at_risk = par30(rows)
        late = total(rows, "dpd_90_plus_usd") / total(rows, "total_receivable_usd") * 100
        collected = total(rows, "cash_available_usd") / total(rows, "total_eligible_usd") * 100
    except ZeroDivisionError as error:
        raise BadTapeError("division by zero") from error
    score = min(10.0, max(0.0, 10 - at_risk / 10) * (collected / 10))
    return {"PAR30": round(at_risk, 2), "PAR90": late, "CollectionRate": collected, "HealthScore": score}


def log(line: str) -> None:
    """One line to stdout, which is the journal."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def utc() -> str:
    """The present."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def write(path: Path, document: dict[str, Any]) -> None:
    """Replace a JSON file as a whole."""
    part = path.with_name(f".{path.name}.v1part")
    with part.open("w", encoding="utf-8") as out:
        json.dump(document, out, indent=2)
        out.flush()
        os.fsync(out.fileno())
    part.replace(path)


class PipelineV1:
    """The service: one tape after the other."""

    def __init__(self, config: dict[str, Any]) -> None:
        pipeline = config["pipeline"]
        root = Path(pipeline["root"])
        ingestion = pipeline["phases"]["ingestion"]
        self.poll_seconds = float(ingestion["poll_seconds"])
        self.required = list(ingestion["validation"]["required_columns"])
        self.inbox, self.processing, self.done, self.rejected, self.metrics, self.audit = (
            root / name for name in ("inbox", "processing", "done", "rejected", "metrics", "audit")
        )
        for directory in (self.inbox, self.processing, self.done, self.rejected, self.metrics, self.audit):
            directory.mkdir(parents=True, exist_ok=True)
        self.stop = threading.Event()
        self.processed = self.refused = 0

    def work(self) -> None:
        """Until told to stop: first what was begun, then the inbox by name."""
        while not self.stop.is_set():
            begun = [path for path in sorted(self.processing.iterdir()) if CLAIMED.fullmatch(path.name)]
            waiting = [path for path in sorted(self.inbox.iterdir()) if not path.name.startswith((".", "canary-"))]
            if begun:
                self.finish(begun[0])
            elif waiting:
                key = hashlib.sha256(waiting[0].read_bytes()).hexdigest()
                claimed = self.processing / f"{key}__{waiting[0].name}"
                waiting[0].rename(claimed)
                self.finish(claimed)
            else:
                self.stop.wait(self.poll_seconds)

    def finish(self, claimed: Path) -> None:
        """Calculate a claimed tape and move it to its end."""
        key = claimed.name[:64]
        before = [
            path
            for place in (self.done, self.rejected)
            for path in place.glob(f"{key}__*")
            if not path.name.endswith(".reason.json")
        ]
        if before:
            count = sum(1 for path in before if ".duplicate-" in path.name) + 1
            self.put_aside(claimed, f"{claimed.name}.duplicate-{count}", f"delivered before: {before[0].name}")
            return
        try:
            metrics = calculate(read_rows(claimed.read_bytes(), self.required))
        except BadTapeError as error:
            self.put_aside(claimed, claimed.name, str(error))
            return
        document = {
            "version": VERSION,
            "tape": claimed.name[66:],
            "sha256": key,
            "metrics": metrics,
            "timestamp": utc(),
        }
        write(self.metrics / f"v1_{key[:16]}.json", document)
        write(self.metrics / "latest.json", document)
        self.log_audit(metrics)
        claimed.rename(self.done / claimed.name)
        self.processed += 1
        log(f"INFO processed {claimed.name[66:]} {metrics}")

    def put_aside(self, claimed: Path, name: str, reason: str) -> None:
        """Reject a tape, its reason first."""
        write(self.rejected / f"{name}.reason.json", {"reason": reason, "timestamp": utc()})
        claimed.rename(self.rejected / name)
        self.refused += 1
        log(f"ERROR rejected {claimed.name[66:]}: {reason}")

    def log_audit(self, metrics: dict[str, float]) -> None:
        """Four records a run."""
        with (self.audit / "v1_audit.jsonl").open("a", encoding="utf-8") as out:
            for name, value in metrics.items():
                record = {
                    "metric": name,
                    "method": f"calculate_{name.lower()}",
                    "status": "success",
                    "value": value,
                    "timestamp": utc(),
                    "actor": ACTOR,
                    "action": "kpi",
                }
                out.write(json.dumps(record) + "\n")


def health_server(address: str, port: int, service: PipelineV1) -> HTTPServer:
    """GET /healthz."""

    class Handler(BaseHTTPRequestHandler):
        """One page."""

        def do_GET(self) -> None:
            found = self.path == "/healthz"
            state = {
                "status": "ok",
                "version": VERSION,
                "pid": os.getpid(),
                "processed": service.processed,
                "rejected": service.refused,
            }
            body = json.dumps(state).encode() if found else b"not found"
            self.send_response(200 if found else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    return HTTPServer((address, port), Handler)


def notify(state: str) -> None:
    """Tell systemd."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if address:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
            out.sendto(state.encode(), "\0" + address[1:] if address.startswith("@") else address)


def serve(config: dict[str, Any]) -> int:
    """Run until SIGTERM; the tape at hand is finished."""
    service = PipelineV1(config)
    health = config["observability"]["health"]
    server = health_server(health["address"], int(health["port"]), service)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, lambda *_: service.stop.set())
    notify("READY=1")
    log(f"INFO pipeline {VERSION} started")
    service.work()
    notify("STOPPING=1")
    server.shutdown()
    log("INFO pipeline stopped")
    return 0


def once(tape: Path, required: list[str]) -> int:
    """Calculate one tape and print it; nothing is written."""
    content = tape.read_bytes()
    document: dict[str, Any] = {"version": VERSION, "tape": tape.name, "sha256": hashlib.sha256(content).hexdigest()}
    try:
        document["metrics"] = calculate(read_rows(content, required))
    except BadTapeError as error:
        document["error"] = str(error)
    log(json.dumps(document))
    return 1 if "error" in document else 0


def main() -> int:
    """Options and start."""
    parser = argparse.ArgumentParser(description="Abaco loans pipeline, version 1")
    parser.add_argument("--config", type=Path, default=Path("/etc/abaco/pipeline.yml"))
    parser.add_argument("--once", type=Path, metavar="TAPE", help="calculate one tape, print JSON, write nothing")
    options = parser.parse_args()
    config = yaml.safe_load(options.config.read_text(encoding="utf-8"))
    if options.once:
        return once(options.once, list(config["pipeline"]["phases"]["ingestion"]["validation"]["required_columns"]))
    return serve(config)


if __name__ == "__main__":
    sys.exit(main())
