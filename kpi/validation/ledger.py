"""Compare what was delivered (arrivals.jsonl) with what is there: nothing lost, done twice or forgotten."""

import json
import os
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from operator import itemgetter
from pathlib import Path

from kpi import clock
from kpi.committed import CANARY, REASON, SEPARATOR, is_redelivery, split_key
from kpi.config import PipelineConfig

SECOND_LOOK_SECONDS = 0.5
KEY_DIGITS = 64  # of a SHA-256
Row = tuple[str, str, str]  # a line of the ledger: key, name, when
Rooms = dict[str, list[str]]  # the names in each
_FIELDS = itemgetter("sha256", "name", "at")


@dataclass
class Stock:
    """The tapes by where they are; `lost` and the like name them."""

    arrivals: int = 0
    done: int = 0
    rejected: int = 0
    duplicates: int = 0
    in_flight: int = 0
    waiting_s: float = 0.0  # since the oldest tape was delivered that is in flight
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    late: list[str] = field(default_factory=list)
    unledgered: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Arrival:
    key: str
    name: str
    at: datetime


def reconcile(config: PipelineConfig, newest: int | None = None) -> Stock:
    """Reconcile, and once more when something seems lost or doubled: a tape may just have been on its way.

    With `newest` only so many deliveries are followed one by one, as long as the older ones balance: as many tapes lie there as
    were delivered, each once. A loss among those would have to be made up for by a tape that nobody delivered.
    """
    stock = _look(config, newest)
    if stock.lost or stock.doubled or stock.unledgered or stock.unreadable:
        time.sleep(SECOND_LOOK_SECONDS)
        stock = _look(config)
    return stock


def _look(config: PipelineConfig, newest: int | None = None) -> Stock:
    stock = Stock()
    # In the order in which a tape travels: one that moves while we look is seen at least once.
    lines = _lines(config.arrivals)
    waiting = _names(config.paths["inbox"])
    rooms = {room: _names(config.paths[room]) for room in ("processing", "done", "rejected")}
    older = 0 if newest is None else max(0, len(lines) - newest)
    ledger = _rows(lines[older:])
    if older:
        newer = _without_older(stock, rooms, {row[0] for row in ledger if row}, older)
        if newer is None:
            return _look(config)  # which finds out what is wrong
        rooms = newer
    settled = _settled([row for row in ledger if row], rooms)
    stock.arrivals += len(settled)
    stock.done += len(settled.intersection(rooms["done"]))
    stock.rejected += len(settled.intersection(rooms["rejected"]))
    arrivals = _unsettled(ledger, older + 1, settled, stock)
    by_key: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for room, names in rooms.items():
        for key, name in (split_key(name) for name in names if name not in settled):
            if key and not key.startswith(CANARY) and (room, name) not in by_key[key]:
                by_key[key].append((room, name))
    delivered = Counter(arrival.key for arrival in arrivals)
    names_by_key = {arrival.key: arrival.name for arrival in arrivals}
    _judge_keys(stock, by_key, delivered, names_by_key)
    _judge_arrivals(config, stock, arrivals, by_key, {*waiting})
    if tapes := {name for name in waiting if not name.startswith((".", CANARY))}:
        stock.unledgered += sorted(tapes - {row[1] for row in ledger if row})
    return stock


def _without_older(stock: Stock, rooms: Rooms, keys: set[str], count: int) -> Rooms | None:
    """The rooms without what older deliveries came to, which is counted; None where that does not balance."""
    newer: Rooms = {}
    older: Rooms = {}
    for room, names in rooms.items():
        newer[room] = [name for name in names if name[:KEY_DIGITS] in keys]
        older[room] = [
            name for name in names if name[:KEY_DIGITS] not in keys and name.startswith(SEPARATOR, KEY_DIGITS)
        ]
    refused = [name for name in older["rejected"] if not is_redelivery(name)]
    distinct = {name[:KEY_DIGITS] for name in chain(older["done"], refused)}
    duplicates = len(older["rejected"]) - len(refused)
    committed = len(older["done"]) + len(refused)
    if older["processing"] or len(distinct) != committed or committed + duplicates != count:
        return None
    stock.arrivals, stock.done, stock.rejected, stock.duplicates = count, len(older["done"]), len(refused), duplicates
    return newer


def _settled(ledger: list[Row], rooms: Rooms) -> set[str]:
    """The tapes that were delivered once and lie once, in done or rejected: nearly all, and there may be 100 000 of them.

    Of these there is nothing more to say; every other is looked at one by one, which takes ten times as long.
    """
    delivered = Counter([key for key, _, _ in ledger])
    lying = Counter([name[:KEY_DIGITS] for names in rooms.values() for name in names])
    several = {key for counted in (delivered, lying) for key in _several(counted)}
    ended = {*rooms["done"], *rooms["rejected"]}
    found = ended.intersection([f"{key}{SEPARATOR}{name}" for key, name, _ in ledger])
    return {name for name in found if name[:KEY_DIGITS] not in several} if several else found


def _several(counted: Counter[str]) -> list[str]:
    return [] if len(counted) == counted.total() else [key for key, count in counted.items() if count > 1]


def _unsettled(ledger: list[Row | None], first: int, settled: set[str], stock: Stock) -> list[_Arrival]:
    """The deliveries that are not settled; lines that are none are named in the stock."""
    arrivals = []
    for number, row in enumerate(ledger, first):
        if row and f"{row[0]}{SEPARATOR}{row[1]}" in settled:
            continue
        at = _moment(row[2]) if row else None
        if row and at:
            arrivals.append(_Arrival(row[0], row[1], at))
        else:
            stock.unreadable.append(f"line {number}")
    return arrivals


def _moment(text: str) -> datetime | None:
    try:
        return clock.parse(text)
    except ValueError:
        return None  # the stock names its line


def _judge_keys(
    stock: Stock, by_key: dict[str, list[tuple[str, str]]], delivered: Counter[str], names: dict[str, str]
) -> None:
    for key, found in by_key.items():
        done = [name for room, name in found if room == "done"]
        redelivered = [name for room, name in found if room == "rejected" and is_redelivery(name)]
        refused = [name for room, name in found if room == "rejected" and not is_redelivery(name)]
        stock.done += len(done)
        stock.rejected += len(refused)
        stock.duplicates += len(redelivered)
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
            age = (now - arrival.at).total_seconds()
            stock.waiting_s = max(stock.waiting_s, age)
            if age > limit:
                stock.late.append(f"{arrival.name}, delivered {age:.0f} s ago")
        elif not here:
            stock.lost.append(f"{arrival.name} ({arrival.key[:12]}, delivered {clock.stamp(arrival.at)})")


def _lines(ledger: Path) -> list[bytes]:
    lines = ledger.read_bytes().split(b"\n") if ledger.is_file() else [b""]
    return lines[:-1]  # what follows the last line end is a line still being written


def _rows(lines: list[bytes]) -> list[Row | None]:
    """The deliveries of these lines, None for one that is none."""
    together = _all_at_once(lines)
    return [_row(line) for line in lines] if together is None else together


def _all_at_once(lines: list[bytes]) -> list[Row | None] | None:
    """All lines in one go, which is several times as fast; None where not every line is a sound one."""
    try:
        rows = [*map(_FIELDS, json.loads(b"[" + b",".join(lines) + b"]"))]
    except (ValueError, KeyError, TypeError):
        return None
    return rows if len(rows) == len(lines) and {*map(type, chain.from_iterable(rows))} <= {str} else None


def _row(line: bytes) -> Row | None:
    try:
        key, name, at = _FIELDS(json.loads(line))
    except (ValueError, KeyError, TypeError):
        return None  # the stock names its line
    return (key, name, at) if isinstance(key, str) and isinstance(name, str) and isinstance(at, str) else None


def _names(room: Path) -> list[str]:
    # Path.iterdir makes an object of each name, which takes ten times as long.
    return [name for name in os.listdir(room) if not name.endswith(REASON)]  # noqa: PTH208
