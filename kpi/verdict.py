"""The verdicts a judgement can come to, their order, and the exit status of a command that ends with one."""

from collections.abc import Iterable
from enum import StrEnum


class Verdict(StrEnum):
    """Ordered from harmless to worst; what could not be measured is never PASS."""

    PASS = "PASS"  # noqa: S105 - a verdict, not a password
    WARN = "WARN"
    INCONCLUSIVE = "INCONCLUSIVE"  # too little was seen to say
    ERROR = "ERROR"  # the judging itself failed
    FAIL = "FAIL"

    @property
    def severity(self) -> int:
        """Rank from 0 (PASS) to 4 (FAIL)."""
        return list(Verdict).index(self)

    @property
    def exit_code(self) -> int:
        """Exit status of a judging command."""
        return {"PASS": 0, "WARN": 8, "FAIL": 9}.get(self.value, 10)


USAGE_EXIT = 2


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The most severe of several; none at all is INCONCLUSIVE, since nothing was judged."""
    return max(verdicts, key=lambda verdict: verdict.severity, default=Verdict.INCONCLUSIVE)
