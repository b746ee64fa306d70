"""How a watch is put in words: moments and stretches of its clock, figures with their units, what is not PASS in few lines."""

from collections.abc import Iterable

from cutover.console.text import short
from cutover.core.samples import Judgement
from cutover.core.verdict import Verdict
from cutover.monitor.state import HOUR
from cutover.timeline.presentation import ShownSignal

NOT_MEASURED = "-"
APART = 2  # so many that are INCONCLUSIVE are listed one by one


def hour(t: float) -> str:
    """A moment of the watch: hour 3.5."""
    return f"hour {t / HOUR:.4g}" if t >= HOUR / 10 or t == 0 else f"minute {t / 60:.3g}"


def called(name: str) -> str:
    """A decision point or a decision as people say it: hour 1, go on."""
    return name.replace("_", " ")


def figure(signal: ShownSignal, value: float | None, *, unit: bool = True) -> str:
    """The value in the signal's own format; a dash where there is none."""
    if value is None:
        return NOT_MEASURED
    if signal.unit == "s" and unit:
        return short(value)
    shown = format(value, signal.format)
    return f"{shown}{'' if signal.unit == '%' else ' '}{signal.unit}".strip() if unit else shown


def in_short(judgements: Iterable[Judgement]) -> list[tuple[Verdict, str, str]]:
    """Verdict, words and what to do next, of what is not PASS; the gravest first. Several INCONCLUSIVE are one line."""
    bad = sorted((one for one in judgements if one.verdict is not Verdict.PASS), key=lambda one: -one.verdict.severity)
    unsure = [one.rule for one in bad if one.verdict is Verdict.INCONCLUSIVE]
    together = len(unsure) > APART
    lines = [
        (one.verdict, f"{one.rule}: {one.words}{' (pending)' if one.pending else ''}", one.next)
        for one in bad
        if not (together and one.verdict is Verdict.INCONCLUSIVE)
    ]
    if together:
        rules = ", ".join(sorted(set(unsure)))
        lines.append((Verdict.INCONCLUSIVE, f"too little was seen so far, or not measured, to judge {rules}", ""))
    return lines
