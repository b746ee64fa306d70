"""Tapes of the validator's own, sent through the live inbox: three good ones, one for each way to be bad, one about people.

The one that is a copy of a tape of V1's is in v1_tape.py.
"""

import os
import stat
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kpi.committed import CANARY, REASON, SEPARATOR
from kpi.config import PipelineConfig
from kpi.durable import sync_directories
from kpi.outputs import output_paths
from kpi.pipeline import Delivery
from kpi.synthetic import Draws, as_csv, draw
from kpi.validation.live import read_json

GOOD_TAPES = 3
POLL_SECONDS = 0.01
PERSONAL = ("correo_electronico", "email", "telefono")


@dataclass(frozen=True)
class Canary:
    """One tape to send; `expected` is the code it must be rejected with, empty when it must be accepted.

    `personal` is its column about a person, and `secret` its content, which must never be seen again. `v1` is what V1
    recorded of it, where it is the copy of a tape of V1's.
    """

    kind: str
    delivery: Delivery
    expected: str = ""
    personal: str = ""
    secret: str = ""
    v1: dict[str, Any] | None = None

    @property
    def is_known(self) -> bool:
        """Whether it is one of ours that must be accepted: 1000 rows whose KPIs are known."""
        return not self.expected and self.v1 is None

    def place(self, config: PipelineConfig, room: str) -> Path:
        """Where it ends when it is accepted (`done`) or not (`rejected`)."""
        name = f"{CANARY}{self.delivery.digest}{SEPARATOR}{self.delivery.name}"
        return config.paths[room] / "canary" / name


@dataclass(frozen=True)
class CanaryAnswer:
    """What the service made of a canary: the room it ended in (empty: none in time), its reason and its metrics."""

    canary: Canary
    room: str
    seconds: float
    reason: dict[str, Any]
    metrics: dict[str, Any]


def build(token: str, config: PipelineConfig) -> list[Canary]:
    """The canaries of one validation; the token makes their names and contents new each time."""
    sound = draw("A")
    good = [_canary(f"good{number}", as_csv(sound, f"{token}-{number}-"), token) for number in range(GOOD_TAPES)]
    few = {name: column[:20] for name, column in sound.items()}
    without = {name: column for name, column in few.items() if name != "total_receivable_usd"}
    negative: Draws = {**few, "cash_available_usd": -few["cash_available_usd"] - 1.0}
    return [
        *good,
        _canary("empty", b"", token, "empty_tape"),
        _canary("missing-column", as_csv(without, f"{token}-"), token, "missing_columns"),
        _canary("negative", as_csv(negative, f"{token}-"), token, "quarantined_rows"),
        *_personal(token, config),
    ]


def _personal(token: str, config: PipelineConfig) -> list[Canary]:
    """A sound tape with a column about people: refused by name, or masked where the config has a key for that."""
    section = config.document.get("personal", {})
    allowed = section.get("columns", {}).get("allow", ())
    column = next((name for name in PERSONAL if name not in allowed), "")
    if not column:
        return []  # the config says of all of them that they are about nobody
    is_masked = "key_file" in section and section.get("policy", "mask") == "mask"
    secret = f"persona.{token}@example.org"
    header, *rows = as_csv(draw("A"), f"{token}-p").decode().splitlines()
    content = "\n".join([f"{header},{column}", *(f"{row},{secret}" for row in rows)]) + "\n"
    delivery = Delivery(f"{CANARY}{token}-personal.csv", content.encode(), canary=True)
    return [Canary("personal", delivery, "" if is_masked else "personal_data", column, secret)]


def send(config: PipelineConfig, canaries: list[Canary]) -> None:
    """Put them into the inbox as a deliverer does, but for the ledger: they are not arrivals."""
    inbox = config.paths["inbox"]
    for canary in canaries:
        part = inbox / f".{canary.delivery.name}.part"
        with part.open("wb") as out:
            out.write(canary.delivery.content)
            out.flush()
            os.fsync(out.fileno())
        _give_rights(part, canary.delivery.source)
        part.rename(inbox / canary.delivery.name)
    sync_directories([inbox])


def _give_rights(part: Path, source: bytes | Path) -> None:
    """Ours may be read by all; a copy by whom its tape may be read by, and by nobody else."""
    if isinstance(source, bytes):
        part.chmod(0o644)
        return
    like = source.stat()
    if os.geteuid() == 0:
        os.chown(part, like.st_uid, like.st_gid)
    part.chmod(stat.S_IMODE(like.st_mode))


def send_and_await(config: PipelineConfig, canaries: list[Canary], deadline: float) -> list[CanaryAnswer]:
    """Send the good ones one after the other, so that each is timed alone, then all bad ones; wait for their ends."""
    good = [[canary] for canary in canaries if not canary.expected]
    batches = [*good, [canary for canary in canaries if canary.expected]]
    answers: list[CanaryAnswer] = []
    for batch in batches:
        send(config, batch)
        answers += await_answers(config, batch, deadline)
    return answers


def await_answers(config: PipelineConfig, canaries: list[Canary], deadline: float) -> list[CanaryAnswer]:
    """Wait until each has ended somewhere, or the deadline (monotonic) is there."""
    begun = time.monotonic()
    ended: dict[str, CanaryAnswer] = {}
    while True:
        for canary in canaries:
            room = next((room for room in ("done", "rejected") if canary.place(config, room).exists()), "")
            if room and canary.kind not in ended:
                ended[canary.kind] = _answer(config, canary, room, time.monotonic() - begun)
        silent = time.monotonic() - begun
        if len(ended) == len(canaries) or time.monotonic() >= deadline:
            return [ended.get(canary.kind, CanaryAnswer(canary, "", silent, {}, {})) for canary in canaries]
        time.sleep(POLL_SECONDS)


def clean_up(config: PipelineConfig, canaries: list[Canary]) -> None:
    """Take the canaries and what came of them away again; the audit trail keeps that they were there."""
    for canary in canaries:
        places = [config.paths["inbox"] / canary.delivery.name, config.paths["inbox"] / f".{canary.delivery.name}.part"]
        for room in ("done", "rejected"):
            place = canary.place(config, room)
            places += [place, place.with_name(place.name + REASON)]
        metrics = config.paths["metrics"] / "canary"
        places += output_paths(metrics, canary.delivery.digest, config.outputs).values()
        for place in places:
            place.unlink(missing_ok=True)


def _canary(kind: str, content: bytes, token: str, expected: str = "") -> Canary:
    return Canary(kind, Delivery(f"{CANARY}{token}-{kind}.csv", content, canary=True), expected)


def _answer(config: PipelineConfig, canary: Canary, room: str, seconds: float) -> CanaryAnswer:
    place = canary.place(config, room)
    metrics = output_paths(config.paths["metrics"] / "canary", canary.delivery.digest, config.outputs)["json"]
    return CanaryAnswer(canary, room, seconds, read_json(place.with_name(place.name + REASON)), read_json(metrics))
