"""The one set of verdicts, used by probes, checks, gates, validation and monitor alike."""

from collections.abc import Iterable
from enum import StrEnum


class Verdict(StrEnum):
    """What a judgement came to. Ordered by `severity`; nothing that could not be measured is ever PASS."""

    PASS = "PASS"  # noqa: S105 - a verdict, not a password
    WARN = "WARN"
    INCONCLUSIVE = "INCONCLUSIVE"  # too little data to judge
    ERROR = "ERROR"  # the judging itself failed
    FAIL = "FAIL"

    @property
    def severity(self) -> int:
        """Rank from 0 (PASS) to 4 (FAIL), for picking the worst of several."""
        return list(Verdict).index(self)

    @property
    def lets_pass(self) -> bool:
        """Whether a gate may open on it: PASS, or WARN, which stays visible."""
        return self in (Verdict.PASS, Verdict.WARN)


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The most severe of several verdicts; none at all is INCONCLUSIVE, since nothing was judged."""
    return max(verdicts, key=lambda verdict: verdict.severity, default=Verdict.INCONCLUSIVE)
