"""The texts of notices, from templates/notices/<event>.j2: the subject in the first line, below it the body."""

from collections.abc import Mapping
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING

from cutover.console.text import clean, one_line
from cutover.core.errors import Problem, UsageError
from cutover.core.times import moment
from cutover.notify.escalation import EVENTS, Eta, Facts, Role, Severity, Text
from cutover.timeline.presentation import presentation

if TYPE_CHECKING:
    from jinja2 import Environment

SUBJECT = "Subject: "
LONGEST = 400  # characters of what a host said; the report has all of it
SAMPLE = Facts(
    environment="prod", at="2026-01-02T03:04:05.000Z", run="20260102T030405Z-abc123", release="2.0.0", hosts=("web1", "web2"),
    phase=1, phases=6, title="Backup", eta=Eta(600, 2), verdict="FAIL", reasons=("web1: too slow",), point="hour 1",
    until="2026-01-02T04:04:05.000Z", default="go on", role="on_call", figures=(("error rate", "0.1 %"),), finished=True,
    message="a word", next=("see the report",),
)  # fmt: skip


class Texts:
    """Composes the text of an event; UsageError with all that is wrong with the templates when it is made."""

    def __init__(self, root: Path, service: str, roles: Mapping[str, Role]) -> None:
        self._environment = _environment(root / "templates" / "notices")
        self._service = presentation(root, service).service
        self._roles = roles
        self._check()

    def __call__(self, event: str, facts: Facts, severity: Severity) -> Text:
        """The notice about an event."""
        role = self._roles.get(facts.role)
        name = role.words if role else facts.role
        text = self._environment.get_template(f"{event}.j2").render(
            facts=facts, severity=severity, service=self._service, role=name, event=EVENTS[event]
        )
        first, _, body = text.partition("\n")
        lines = [line.rstrip() for line in body.strip().splitlines()]
        shown = [line for number, line in enumerate(lines) if line or (number and lines[number - 1])]
        return Text(one_line(first.removeprefix(SUBJECT)), "\n".join(shown) + "\n")

    def _check(self) -> None:
        """Compose every event, of which much and of which little is known: a run is not where a slip should show."""
        from jinja2 import TemplateError

        severity = Severity("info", "For information.", 0)
        bare = Facts(environment=SAMPLE.environment, at=SAMPLE.at)
        problems = []
        for event in EVENTS:
            place = f"templates/notices/{event}.j2"
            try:
                wrong = next(
                    (text for facts in (SAMPLE, bare) if not (text := self(event, facts, severity)).subject), None
                )
                if wrong is not None:
                    problems.append(Problem("has no subject", f"begin it with «{SUBJECT}...»", path=place))
            except (TemplateError, TypeError, ValueError, LookupError) as error:
                found = f"{type(error).__name__}: {error}"
                problems.append(Problem(found, "correct the template", path=place))
        if problems:
            raise UsageError(problems)


def _environment(directory: Path) -> "Environment":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(  # noqa: S701 - plain text; Apprise escapes it where a channel wants HTML
        loader=FileSystemLoader(directory), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"utc": utc, "about": about, "said": said}
    return environment


def utc(at: str) -> str:
    """A moment for people: 2026-11-23 22:00 UTC."""
    return moment(at).astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def about(seconds: float) -> str:
    """A duration as one says it: 40 seconds, 12 minutes, 1 h 05 min."""
    if seconds < 99.5:
        return f"{max(1, round(seconds))} seconds"
    minutes = round(seconds / 60)
    return f"{minutes} minutes" if minutes < 100 else f"{minutes // 60} h {minutes % 60:02} min"


def said(words: str) -> str:
    """What a host said, on one line, without control characters, cut to a length."""
    line = one_line(clean(words))
    return line if len(line) <= LONGEST else f"{line[:LONGEST]}…"
