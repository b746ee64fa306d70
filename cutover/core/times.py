"""Times as a journal has them: ISO 8601 in UTC, to the millisecond."""

from datetime import UTC, datetime


def written(when: datetime) -> str:
    """A moment as a journal writes it."""
    return when.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def moment(at: str) -> datetime:
    """A time of a journal."""
    return datetime.fromisoformat(at)


def between(start: str, end: str) -> float:
    """Seconds from one time of a journal to another."""
    return (moment(end) - moment(start)).total_seconds()


def clock(at: str) -> str:
    """The time of day of a time of a journal, to the second."""
    return moment(at).strftime("%H:%M:%S")
