#!/usr/bin/env python3
"""Deliver a synthetic loan tape every few seconds, so that a lab has something to lose; stops on SIGTERM.

Each tape is written aside, noted in the ledger arrivals.jsonl, then renamed into the inbox. Its amounts are those of
numpy's legacy generator for the same seed, drawn with the standard library alone: a host needs nothing installed.
"""

import argparse
import hashlib
import json
import math
import os
import queue
import random
import re
import signal
import sys
import time
from pathlib import Path

BUCKETS = ("dpd_0_7_usd", "dpd_7_30_usd", "dpd_30_60_usd", "dpd_60_90_usd", "dpd_90_plus_usd")
COLUMNS = ("total_receivable_usd", "total_eligible_usd", "discounted_balance_usd", "cash_available_usd", *BUCKETS)
NAME = re.compile(r"\.?tape-(\d+)\.csv(\.part)?")
WORDS = 624
MASK = 0xFFFFFFFF


class LegacyDice:
    """numpy's RandomState: the Mersenne Twister seeded by one number, and the polar Gaussian."""

    def __init__(self, seed: int) -> None:
        state = [seed & MASK]
        for at in range(1, WORDS):
            state.append((1812433253 * (state[-1] ^ (state[-1] >> 30)) + at) & MASK)
        self._random = random.Random()  # noqa: S311 - the same digits as numpy, not secrets
        # 3: the version of Python's own state; the last is its spare Gaussian, which is not numpy's.
        self._random.setstate((3, (*state, WORDS), None))
        self._spare: float | None = None

    def uniform(self, low: float, high: float, count: int) -> list[float]:
        """Numbers between low and high."""
        span = high - low
        return [low + span * self._random.random() for _ in range(count)]

    def gauss(self) -> float:
        """One draw of the normal distribution; they come in pairs."""
        if self._spare is not None:
            kept, self._spare = self._spare, None
            return kept
        radius = first = second = 0.0
        while radius >= 1.0 or radius == 0.0:
            first = 2.0 * self._random.random() - 1.0
            second = 2.0 * self._random.random() - 1.0
            radius = first * first + second * second
        factor = math.sqrt(-2.0 * math.log(radius) / radius)
        self._spare = factor * first
        return factor * second

    def lognormal(self, mean: float, sigma: float, count: int) -> list[float]:
        """Numbers whose logarithm is normal."""
        return [math.exp(mean + sigma * self.gauss()) for _ in range(count)]


def draw(recipe: str, rows: int, seed: int) -> dict[str, list[float]]:
    """The amounts of one tape, by column."""
    dice = LegacyDice(seed)
    drawn: dict[str, list[float]] = {}
    if recipe == "A":
        for column, low, high in (
            ("dpd_30_60_usd", 0, 20_000),
            ("dpd_60_90_usd", 0, 10_000),
            ("dpd_90_plus_usd", 0, 5_000),
            ("total_receivable_usd", 1e5, 1.5e6),
            ("cash_available_usd", 1e3, 1.5e5),
            ("total_eligible_usd", 5e4, 1.2e6),
        ):
            drawn[column] = dice.uniform(low, high, rows)
    else:
        receivable = drawn["total_receivable_usd"] = dice.lognormal(9, 2, rows)
        for column, top in zip(BUCKETS, (0.03, 0.03, 0.08, 0.05, 0.10), strict=True):
            shares = dice.uniform(0, top, rows)
            drawn[column] = [amount * share for amount, share in zip(receivable, shares, strict=True)]
        drawn["cash_available_usd"] = dice.uniform(0, 50_000, rows)
        drawn["total_eligible_usd"] = [amount * 0.95 for amount in receivable]
    filled = {bucket: [0.0] * rows for bucket in BUCKETS} | {"discounted_balance_usd": drawn["total_receivable_usd"]}
    filled |= drawn
    return {column: filled[column] for column in COLUMNS}


def as_csv(drawn: dict[str, list[float]], prefix: str, measured_on: str) -> bytes:
    """A tape; the loans carry its number, so no two tapes have the same content."""
    lines = [",".join(("loan_id", "measurement_date", *drawn))]
    for at, amounts in enumerate(zip(*drawn.values(), strict=True)):
        lines.append(",".join((f"{prefix}{at}", measured_on, *map(repr, amounts))))
    return ("\n".join(lines) + "\n").encode()


class Deliverer:
    """Numbers tapes on from what it finds, also after a crash between its own steps."""

    def __init__(self, root: Path) -> None:
        self.inbox = root / "inbox"
        self.ledger = root / "arrivals.jsonl"
        self.inbox.mkdir(parents=True, exist_ok=True)
        names = self._ledger_names()
        self._finish_parts(names)
        numbers = [int(found[1]) for name in names if (found := NAME.fullmatch(name))]
        self.next_number = max(numbers, default=0) + 1

    def deliver(self, recipe: str, rows: int) -> str:
        """Deliver the next tape; its name."""
        number = self.next_number
        name = f"tape-{number:06d}.csv"
        content = as_csv(draw(recipe, rows, number), f"L{number}-", time.strftime("%Y-%m-%d", time.gmtime()))
        part = self.inbox / f".{name}.part"
        with part.open("wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        entry = {"name": name, "sha256": hashlib.sha256(content).hexdigest(), "at": at}
        with self.ledger.open("a", encoding="utf-8") as out_ledger:
            out_ledger.write(json.dumps(entry) + "\n")
            out_ledger.flush()
            os.fsync(out_ledger.fileno())
        part.rename(self.inbox / name)
        self.next_number += 1
        return name

    def _ledger_names(self) -> list[str]:
        if not self.ledger.is_file():
            return []
        text = self.ledger.read_text(encoding="utf-8")
        whole, ended, torn = text.rpartition("\n")
        if torn:  # a crash in the middle of a line: its tape was not renamed yet, it is delivered again
            with self.ledger.open("r+", encoding="utf-8") as out:
                out.truncate(len((whole + ended).encode()))
        return [str(json.loads(line)["name"]) for line in whole.splitlines()]

    def _finish_parts(self, names: list[str]) -> None:
        for part in self.inbox.glob(".tape-*.csv.part"):
            name = part.name[1:].removesuffix(".part")
            if name in names:
                part.rename(self.inbox / name)
            else:
                part.unlink()


def main() -> int:
    """Options, then one tape after the other."""
    parser = argparse.ArgumentParser(description="Deliver synthetic loan tapes to an inbox.")
    parser.add_argument("--root", type=Path, default=Path("/var/lib/abaco"))
    parser.add_argument("--every", type=float, default=2.0, help="seconds between tapes (default: 2)")
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--recipe", choices=("A", "B"), default="A")
    parser.add_argument("--count", type=int, help="stop after so many (default: go on until stopped)")
    options = parser.parse_args()
    # A handler only notes: it may interrupt what holds the lock that setting an event needs.
    stop: queue.SimpleQueue[int] = queue.SimpleQueue()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _: stop.put(number))
    deliverer = Deliverer(options.root)
    left = options.count
    while left != 0:
        sys.stdout.write(f"delivered {deliverer.deliver(options.recipe, options.rows)}\n")
        sys.stdout.flush()
        left = None if left is None else left - 1
        try:
            stop.get(timeout=options.every if left != 0 else 0)
            break
        except queue.Empty:
            continue
    return 0


if __name__ == "__main__":
    sys.exit(main())
