"""Causes: what a program that a host ran says was wrong, so that a problem names it and not only the key that differs.

A judging document has `issues` at its top: a list of {"where", "found", "next", "verdict"}, of which only `found` must be there.
What the words mean is the program's business. Where it printed no document at all, its last words must do.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cutover.core.verdict import Verdict

SHOWN = 5  # the rest is in the document, which the report shows
LAST_WORDS = 500


@dataclass(frozen=True)
class Cause:
    """One thing that was wrong, what to do next (empty where the program does not say), and how grave it is."""

    found: str
    next: str = ""
    verdict: Verdict = Verdict.FAIL


def listed(issues: Any) -> tuple[Cause, ...]:
    """The causes in a list of issues, the gravest first; what is no issue is none."""
    entries = issues if isinstance(issues, list) else []
    read = [_cause(one) for one in entries if isinstance(one, Mapping) and one.get("found")]
    return tuple(sorted(read, key=lambda cause: -cause.verdict.severity))


def of_outcome(outcome: Mapping[str, Any]) -> tuple[Cause, ...]:
    """What the program of a step says of causes; for want of a document the end of what it said, or how it ended."""
    after = outcome.get("after") or {}
    document = after.get("document")
    if isinstance(document, Mapping):
        return listed(document.get("issues"))
    if not after.get("ran"):
        return ()
    said = str(after.get("stderr") or after.get("output") or "").strip()[-LAST_WORDS:].strip()
    end = after.get("end", "exited")
    ended = f"ended with {after.get('exit_code')}" if end == "exited" else str(end)
    return (Cause(f"it gave no document, {ended}{': ' + said if said else ''}"),)


def in_words(causes: Sequence[Cause]) -> str:
    """The gravest of them in one line, and how many there are besides."""
    shown = "; ".join(dict.fromkeys(cause.found for cause in causes[:SHOWN]))
    return shown + (f"; and {len(causes) - SHOWN} more in the report" if len(causes) > SHOWN else "")


def steps_next(causes: Sequence[Cause], step: str) -> str:
    """What to do next: what the causes that are shown say, then what the step itself says."""
    return "; ".join(dict.fromkeys(filter(None, [*(cause.next for cause in causes[:SHOWN]), step])))


def _cause(issue: Mapping[str, Any]) -> Cause:
    verdict = issue.get("verdict")
    known = Verdict(verdict) if verdict in list(Verdict) else Verdict.FAIL
    found = ": ".join(str(part) for part in (issue.get("where"), issue["found"]) if part)
    return Cause(found, str(issue.get("next") or ""), known)
