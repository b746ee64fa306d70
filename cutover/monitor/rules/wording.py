"""Words for a finding: value, limit, n, bound and window in one plain sentence, and what a person does next."""

from cutover.core.samples import Judgement
from cutover.core.verdict import Verdict
from cutover.monitor.rules import rulebook
from cutover.monitor.rules.levels import Finding
from cutover.monitor.rules.rulebook import STATES, Rule


def judgement(host: str, rule: Rule, finding: Finding, t: float) -> Judgement:
    """The finding of a rule as the journal, the console and people get it."""
    reading, fine = finding.reading, finding.verdict is Verdict.PASS and not finding.pending
    return Judgement(
        host=host,
        rule=rule.name,
        verdict=finding.verdict,
        words=_sentence(rule, finding, t) + ("" if fine else f". {rule.words}"),
        next="" if fine else rule.next,
        level=finding.level,
        rolls_back=finding.rolls_back,
        pending=finding.pending,
        value=reading.value if rule.limits else None,
        unit=rule.signal.entry.unit,
        limit=finding.limit,
        n=reading.n,
        bound=finding.bound,
        window=rule.signal.window,
    )


def _sentence(rule: Rule, finding: Finding, t: float) -> str:
    reading, what = finding.reading, rule.signal.entry.words
    if rule.signal.kind == "looks":
        looks = f"{finding.misses} look{'s' if finding.misses > 1 else ''} in a row failed: {reading.why}"
        return looks if finding.misses else "the host was seen"
    if reading.missing:
        many = f" ({finding.misses} in a row; {rule.fail_after} are a failure)" if finding.misses else ""
        return f"{what} could not be measured{many}: {reading.why}"
    if not rule.limits or rule.signal.kind in STATES:
        return f"{what}: {reading.why or 'not known yet'}{_over(rule, reading.n)}"
    if reading.value is None:
        return f"{what} is not known yet: {reading.why}{_over(rule, reading.n)}"
    told = f"{what} is {shown(reading.value, rule.signal.entry.unit)}{_over(rule, reading.n)}{_limit(rule, finding)}"
    if finding.verdict is Verdict.INCONCLUSIVE:
        few = reading.n is not None and reading.n < rule.least
        told += (
            f"; at least {rule.least} are needed to judge" if few else "; the window has not been seen as a whole yet"
        )
    if finding.pending:
        told += f"; so for {rulebook.words(t - finding.since)} of {rulebook.words(finding.hold)} now"
    return told + (f" ({reading.why})" if reading.why else "")


def _over(rule: Rule, n: int | None) -> str:
    parts = [f"n {n}"] if n is not None else []
    parts += [f"window {rulebook.words(rule.signal.window)}"] if rule.signal.window else []
    return f" ({', '.join(parts)})" if parts else ""


def _limit(rule: Rule, finding: Finding) -> str:
    if finding.limit is None:
        return ""
    unit, over = rule.signal.entry.unit, "below" if rule.below else "above"
    told = f"; {finding.level or rule.limits[0].level} {over} {shown(finding.limit, unit)}"
    if finding.bound is not None:
        side = "at least" if finding.reading.value is not None and finding.bound <= finding.reading.value else "at most"
        told += f", with 95 % confidence {side} {shown(finding.bound, unit)}"
    return told


def shown(value: float, unit: str) -> str:
    """A figure with its unit; a share as per cent."""
    if unit == "share":
        return f"{value * 100:.4g} %"
    if unit == "share/h":
        return f"{value * 100:.4g} % an hour"
    return f"{value:.6g} {unit}".rstrip()
