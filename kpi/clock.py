"""Time as everything here writes it: UTC, ISO 8601, microseconds."""

from datetime import UTC, datetime


def now() -> datetime:
    """The present, in UTC."""
    return datetime.now(UTC)


def stamp(moment: datetime | None = None) -> str:
    """A moment as text that sorts by time."""
    return (moment or now()).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse(text: str) -> datetime:
    """A moment from ISO 8601 text; without a zone it is refused, since it could mean any."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone; write UTC as 2026-01-31T12:00:00Z")
    return moment.astimezone(UTC)
