"""Compare what was delivered (arrivals.jsonl) with what is there: nothing lost, done twice or forgotten."""

import json
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field

from kpi import clock
from kpi.committed import CANARY, REASON, is_put_aside, split_key
from kpi.config import PipelineConfig

SECOND_LOOK_SECONDS = 0.5


@dataclass
class Stock:
    """The tapes by where they are; `lost` and the like name them."""

    arrivals: int = 0
    done: int = 0
    rejected: int = 0
    duplicates: int = 0
    in_flight: int = 0
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    late: list[str] = field(default_factory=list)
    unledgered: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Arrival:
    name: str
    key: str
    at: str


def take_stock(config: PipelineConfig) -> Stock:
    """Look, and look again when something seems lost or doubled: a tape may just have been on its way."""
    stock = _look(config)
    if stock.lost or stock.doubled or stock.unledgered or stock.unreadable:
        time.sleep(SECOND_LOOK_SECONDS)
        stock = _look(config)
    return stock


def _look(config: PipelineConfig) -> Stock:
    stock = Stock()
    # In the order in which a tape travels: one that moves while we look is seen at least once.
    arrivals = _arrivals(config, stock)
    waiting = {path.name for path in config.paths["inbox"].iterdir()}
    rooms = {room: _names(config, room) for room in ("processing", "done", "rejected")}
    by_key: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for room, names in rooms.items():
        for key, name in names:
            if (room, name) not in by_key[key]:
                by_key[key].append((room, name))
    delivered = Counter(arrival.key for arrival in arrivals)
    names_by_key = {arrival.key: arrival.name for arrival in arrivals}
    _judge_keys(stock, by_key, delivered, names_by_key)
    _judge_arrivals(config, stock, arrivals, by_key, waiting)
    ledgered = {arrival.name for arrival in arrivals}
    stray = {name for name in waiting if not name.startswith((".", CANARY)) and name not in ledgered}
    stock.unledgered += sorted(stray)
    return stock


def _judge_keys(
    stock: Stock, by_key: dict[str, list[tuple[str, str]]], delivered: Counter[str], names: dict[str, str]
) -> None:
    for key, found in by_key.items():
        done = [name for room, name in found if room == "done"]
        put_aside = [name for room, name in found if room == "rejected" and is_put_aside(name)]
        refused = [name for room, name in found if room == "rejected" and not is_put_aside(name)]
        stock.done += len(done)
        stock.rejected += len(refused)
        stock.duplicates += len(put_aside)
        if len(done) + len(refused) > 1:
            places = ", ".join(f"{room}/{name}" for room, name in found)
            stock.doubled.append(f"{names.get(key, key[:12])}: {places}")
        if key not in delivered:
            stock.unledgered.append(found[0][1])


def _judge_arrivals(
    config: PipelineConfig,
    stock: Stock,
    arrivals: list[_Arrival],
    by_key: dict[str, list[tuple[str, str]]],
    waiting: set[str],
) -> None:
    limit = config.limit("late_tape_seconds", "warn")
    now = clock.now()
    left = {key: len(found) for key, found in by_key.items()}
    processing = {key for key, found in by_key.items() if all(room == "processing" for room, _ in found)}
    for arrival in arrivals:
        stock.arrivals += 1
        here = left.get(arrival.key, 0) > 0
        left[arrival.key] = left.get(arrival.key, 0) - 1
        under_way = arrival.key in processing if here else bool({arrival.name, f".{arrival.name}.part"} & waiting)
        if under_way:
            stock.in_flight += 1
            age = (now - clock.parse(arrival.at)).total_seconds()
            if age > limit:
                stock.late.append(f"{arrival.name}, delivered {age:.0f} s ago")
        elif not here:
            stock.lost.append(f"{arrival.name} ({arrival.key[:12]}, delivered {arrival.at})")


def _arrivals(config: PipelineConfig, stock: Stock) -> list[_Arrival]:
    if not config.arrivals.is_file():
        return []
    lines = config.arrivals.read_bytes().split(b"\n")
    lines.pop()  # what follows the last line end is a line still being written
    arrivals = []
    for number, line in enumerate(lines, 1):
        try:
            entry = json.loads(line)
            arrival = _Arrival(str(entry["name"]), str(entry["sha256"]), str(entry["at"]))
            clock.parse(arrival.at)
            arrivals.append(arrival)
        except (ValueError, KeyError, TypeError):
            stock.unreadable.append(f"line {number}")
    return arrivals


def _names(config: PipelineConfig, room: str) -> list[tuple[str, str]]:
    names = [path.name for path in config.paths[room].iterdir() if not path.name.endswith(REASON)]
    split = [(split_key(name)[0], name) for name in names]
    return [(key, name) for key, name in split if key and not key.startswith(CANARY)]
