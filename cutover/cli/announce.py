"""`announce`, and the announcer of a run."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cutover.cli.app import with_ask
from cutover.console.ask import Ask, confirm
from cutover.core.errors import ExitCode, Problem, Unjudged, UsageError
from cutover.run.options import RunOptions

if TYPE_CHECKING:
    from cutover.inventory.targets import Targets
    from cutover.notify.escalation import NoticeFacts
    from cutover.notify.listener import Announcer, Notice

ANNOUNCEMENT = "announcement"
RECORDED = "announcements.jsonl"  # below .cutover: what was announced by hand, chained like the journal of a run


def announcer_for(targets: "Targets", say: Callable[[str], None]) -> "Announcer":
    """The announcer for these hosts; UsageError with all that is wrong with people and templates."""
    from cutover.notify.channels import Sender
    from cutover.notify.listener import Announcer, addresses_of, people_of
    from cutover.notify.texts import Texts

    known = people_of(targets)
    sender = Sender(float(str(targets.shared("people_notice_deadline_s"))))
    addresses = addresses_of(known, targets.inventory.directory)
    return Announcer(known, addresses, Texts(targets.root, targets.service), sender, say)


def announcer_if_possible(targets: "Targets", say: Callable[[str], None]) -> "Announcer | None":
    """The same for a rollback: what is wrong with people or templates is reported, and never stops it."""
    try:
        return announcer_for(targets, say)
    except UsageError as wrong:
        for problem in wrong.problems:
            say(f"no notices are sent: {problem}")
        return None


@with_ask
def announce(ask: Ask, options: RunOptions, event: str, at: str, message: str) -> ExitCode:
    """Notify people of an event by hand: show text and receivers, ask, send, report how it went."""
    event = event or ANNOUNCEMENT
    _check_event(event)
    targets = options.targets()
    announcer = announcer_for(targets, ask.progress)
    facts = _facts(ask, options, targets, event, _moment(event, at), message)
    notice = announcer.preview(event, facts)
    _show(ask, announcer, notice)
    if options.check:
        return ExitCode.DONE
    if not notice.channels:
        found = f"no role that is notified of `{event}` has a channel"
        raise UsageError(
            Problem(found, "set people_channels and people_roles for the environment", path="people_roles")
        )
    confirm(ask, f"send this to {', '.join(notice.channels)}?")
    announcer.notify(event, facts)
    return _report(ask, options, targets.environment, announcer)


def _check_event(event: str) -> None:
    from cutover.inventory.schema import did_you_mean, listed
    from cutover.notify.escalation import EVENTS

    if event not in EVENTS:
        advice = f"{did_you_mean(event, EVENTS)}events: {listed(EVENTS)}"
        raise UsageError(Problem(f"unknown event `{event}`", advice, path="--event"))


def _moment(event: str, at: str) -> str:
    """The time of the event as ISO 8601 in UTC."""
    now = datetime.now(UTC)
    if not at:
        if event == ANNOUNCEMENT:
            raise UsageError(Problem("the start time is missing", "add --at 2026-11-23T22:00Z", path="--at"))
        return now.isoformat(timespec="seconds")
    try:
        moment = datetime.fromisoformat(at)
    except ValueError as wrong:
        raise UsageError(Problem(f"`{at}` is not a time", "write it as 2026-11-23T22:00Z", path="--at")) from wrong
    if moment.tzinfo is None:
        raise UsageError(Problem(f"`{at}` has no time zone", f"write {at}Z for UTC", path="--at"))
    if event == ANNOUNCEMENT and moment < now:
        raise UsageError(Problem(f"`{at}` is in the past", "give a time in the future", path="--at"))
    return moment.astimezone(UTC).isoformat(timespec="seconds")


def _facts(ask: Ask, options: RunOptions, targets: "Targets", event: str, at: str, message: str) -> "NoticeFacts":
    """For an announcement, how long earlier runs took; for any other event, the last run."""
    from cutover.notify.escalation import NoticeFacts
    from cutover.notify.listener import earlier_runs, eta
    from cutover.plan.phases import READS_FACTS
    from cutover.plan.plan import batches

    facts = NoticeFacts(targets.environment, at, hosts=targets.names, message=message)
    if event == ANNOUNCEMENT:
        count = len(batches(targets.names, targets.options.serial or str(targets.shared("cutover_serial"))))
        return replace(
            facts, eta=eta(earlier_runs(options.runs, targets.environment, targets.service), READS_FACTS.name, count)
        )
    run = options.runs.last(targets.environment, targets.service)
    if run is None or not run.plan_file.exists():
        return facts
    ask.progress(f"using run {run.id}, the last of {targets.environment}")
    return replace(facts, run=run.id, release=run.plan().release.id)


def _show(ask: Ask, announcer: "Announcer", notice: "Notice") -> None:
    """The text, and who gets it options."""
    ask.say(f"Subject: {notice.text.subject}\n\n{notice.text.body}")
    for name in notice.roles:
        role = announcer.people.roles[name]
        names = f" ({', '.join(role.names)})" if role.names else ""
        ask.say(f"to {role.title}{names}: {', '.join(role.channels) or 'not notified, no channel'}")
    for channel, why in announcer.unusable(notice.channels).items():
        ask.say(f"channel {channel} cannot be used: {why}")


def _report(ask: Ask, options: RunOptions, environment: str, announcer: "Announcer") -> ExitCode:
    """Report how it went on each channel, and record it."""
    from cutover.journal.journal import Journal

    (record,) = announcer.drain()
    journal = Journal(options.root / ".cutover" / RECORDED)
    try:
        journal.write("notice", environment=environment, **record)
    finally:
        journal.close()
    for channel, seconds in record["sent"].items():
        ask.say(f"{channel}: sent in {seconds:.1f} s")
    failed = [
        Problem(why, "correct the channel, or reach these people in another way", path=f"people_channels.{channel}")
        for channel, why in record["failed"].items()
    ]
    if failed:
        raise Unjudged(failed)
    return ExitCode.DONE
