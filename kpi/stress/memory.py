"""Memory over time, judged as memory: a robust slope over all samples, the first quarter against the last, the peak."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from kpi.verdict import Verdict

WARM_UP = 0.2  # of the samples: caches and arenas fill once
LEAST_SAMPLES = 20
NOISE_MB = 1.0  # what a process goes up and down by itself; less cannot be distinguished from growth
MOST_SAMPLES = 300  # of a slope: its cost is quadratic
TIMELINE = 60


@dataclass(frozen=True)
class MemorySample:
    """Seconds since the start, tapes done by then, MB held now, and the most so far."""

    seconds: float
    tapes: int
    now_mb: float
    peak_mb: float


@dataclass(frozen=True)
class MemoryGrowth:
    """What the samples come to, and whether it may be so."""

    verdict: Verdict
    words: str
    values: dict[str, Any]


def judge(samples: Sequence[MemorySample], limit_mb: float) -> MemoryGrowth:
    """Growth in 10 000 tapes against the limit; what is too short to show that much is INCONCLUSIVE, never flat."""
    steady = samples[int(len(samples) * WARM_UP) :]
    if len(steady) < LEAST_SAMPLES:
        words = f"{len(steady)} samples after the warm-up are too few: at least {LEAST_SAMPLES}"
        return MemoryGrowth(Verdict.INCONCLUSIVE, words, _values(samples, None, None))
    thin = steady[:: -(-len(steady) // MOST_SAMPLES)]
    slope = _slope(thin, lambda one: one.tapes / 10_000)
    span = (steady[-1].tapes - steady[0].tapes) / 10_000
    values = _values(samples, slope, _slope(thin, lambda one: one.seconds / 3600))
    if slope > limit_mb and slope * span > NOISE_MB:
        words = f"memory grows by {slope:.2f} MB in 10 000 tapes, more than {limit_mb:g}"
        return MemoryGrowth(Verdict.FAIL, words, values)
    if slope > limit_mb or limit_mb * span < NOISE_MB:
        needed = int(NOISE_MB / limit_mb * 10_000 / (1.0 - WARM_UP)) + 1
        words = f"{samples[-1].tapes} tapes are too few to distinguish {limit_mb:g} MB in 10 000 from nothing; expected at least {needed}"
        return MemoryGrowth(Verdict.INCONCLUSIVE, words, values)
    return MemoryGrowth(
        Verdict.PASS, f"memory grows by {slope:.2f} MB in 10 000 tapes, at most {limit_mb:g} may be", values
    )


def _values(samples: Sequence[MemorySample], per_tapes: float | None, per_hour: float | None) -> dict[str, Any]:
    quarter = max(1, len(samples) // 4)
    held = [one.now_mb for one in samples]
    thin = samples[:: -(-len(samples) // TIMELINE)] if samples else []
    return {
        "samples": len(samples),
        "mb_per_10000_tapes": _rounded(per_tapes),
        "mb_per_hour": _rounded(per_hour),
        "first_quarter_median_mb": _rounded(statistics.median(held[:quarter])) if held else None,
        "last_quarter_median_mb": _rounded(statistics.median(held[-quarter:])) if held else None,
        "peak_mb": _rounded(max(one.peak_mb for one in samples)) if held else None,
        "over_time": [
            {"seconds": round(one.seconds, 2), "tapes": one.tapes, "mb": round(one.now_mb, 2)} for one in thin
        ],
    }


def _slope(samples: Sequence[MemorySample], at: Callable[[MemorySample], float]) -> float:
    """The median of the slopes between all pairs (Theil-Sen): a jump or two do not move it."""
    slopes = [
        (later.now_mb - earlier.now_mb) / (at(later) - at(earlier))
        for number, earlier in enumerate(samples)
        for later in samples[number + 1 :]
        if at(later) > at(earlier)
    ]
    return statistics.median(slopes) if slopes else 0.0


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
