"""Judgements that are not PASS, in few lines: several that say no more than that too little was seen become one."""

from collections.abc import Iterable

from cutover.core.samples import Judgement
from cutover.core.verdict import Verdict

APART = 2  # so many that are INCONCLUSIVE are told one by one


def in_short(judgements: Iterable[Judgement]) -> list[tuple[Verdict, str, str]]:
    """Verdict, words and what to do next, of what is not PASS; the gravest first."""
    bad = sorted((one for one in judgements if one.verdict is not Verdict.PASS), key=lambda one: -one.verdict.severity)
    unsure = [one for one in bad if one.verdict is Verdict.INCONCLUSIVE]
    together = len(unsure) > APART
    told = [
        (one.verdict, f"{one.rule}: {one.words}{' (pending)' if one.pending else ''}", one.next)
        for one in bad
        if not (together and one.verdict is Verdict.INCONCLUSIVE)
    ]
    if together:
        rules = ", ".join(sorted(dict.fromkeys(one.rule for one in unsure)))
        told.append((Verdict.INCONCLUSIVE, f"too little was seen so far, or not measured, to judge {rules}", ""))
    return told
