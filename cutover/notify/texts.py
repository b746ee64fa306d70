"""The texts of notices, from templates/notices/<event>.j2: the subject in the first line, below it the body."""

from collections.abc import Mapping
from datetime import UTC
from pathlib import Path

from jinja2 import TemplateError

from cutover.console.text import clean, one_line, span
from cutover.core.errors import Problem, UsageError
from cutover.core.templates import environment
from cutover.core.times import moment
from cutover.notify.channels import Kind, Message
from cutover.notify.escalation import EVENTS, Eta, NoticeFacts
from cutover.timeline.presentation import presentation

SUBJECT = "Subject: "
KINDS: Mapping[str, Kind] = {"success": "success", "hold": "warning", "rollback": "failure", "incident": "failure"}
LONGEST = 400  # characters of what a host said; the report has all of it
SAMPLE = NoticeFacts(
    environment="prod", at="2026-01-02T03:04:05.000Z", run="20260102T030405Z-abc123", release="2.0.0", hosts=("web1", "web2"),
    phase=1, phases=6, title="Backup", eta=Eta(600, 2), verdict="FAIL", reasons=("web1: too slow",), point="hour 1",
    until="2026-01-02T04:04:05.000Z", default="go on", figures=(("error rate", "0.1 %"),), finished=True,
    message="a message", next=("see the report",),
)  # fmt: skip


class Texts:
    """Composes the text of an event; UsageError with all that is wrong with the templates when it is made."""

    def __init__(self, root: Path, service: str) -> None:
        self._environment = environment(root / "templates" / "notices", utc=utc, span=span, said=said)
        self._service = presentation(root, service).service
        self._check()

    def __call__(self, event: str, facts: NoticeFacts, meaning: str) -> Message:
        """The notice about an event, with what its severity means."""
        text = self._environment.get_template(f"{event}.j2").render(facts=facts, meaning=meaning, service=self._service)
        first, _, body = text.partition("\n")
        lines = [line.rstrip() for line in body.strip().splitlines()]
        shown = [line for number, line in enumerate(lines) if line or (number and lines[number - 1])]
        return Message(one_line(first.removeprefix(SUBJECT)), "\n".join(shown) + "\n", KINDS.get(event, "info"))

    def _check(self) -> None:
        """Compose every event with many and with few facts: a mistake must not show for the first time in a run."""
        problems = []
        for event in EVENTS:
            place = f"templates/notices/{event}.j2"
            try:
                for facts in (SAMPLE, NoticeFacts(SAMPLE.environment, SAMPLE.at)):
                    if not self(event, facts, "For information.").subject:
                        raise ValueError(f"it has no subject; its first line must be `{SUBJECT}...`")
            except (TemplateError, TypeError, ValueError, LookupError) as error:
                found = f"the template fails: {type(error).__name__}: {error}"
                problems.append(Problem(found, "correct the template", path=place))
        if problems:
            raise UsageError(problems)


def utc(at: str) -> str:
    """A time for people: 2026-11-23 22:00 UTC."""
    return moment(at).astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def said(words: str) -> str:
    """What a host said, on one line, without control characters, cut to a length."""
    line = one_line(clean(words))
    return line if len(line) <= LONGEST else f"{line[:LONGEST]}…"
