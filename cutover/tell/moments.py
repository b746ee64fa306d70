"""Times of a journal and names of phases, as people read them."""

from datetime import datetime

from cutover.decide.phases import ROLLBACK, phase_named


def moment(at: str) -> datetime:
    """A time of the journal."""
    return datetime.fromisoformat(at)


def between(start: str, end: str) -> float:
    """Seconds from one time of the journal to another."""
    return (moment(end) - moment(start)).total_seconds()


def clock(at: str) -> str:
    """The time of day in UTC, to the second."""
    return moment(at).strftime("%H:%M:%S")


def phase_title(name: str) -> str:
    """How a stretch is called on the page."""
    return "Bake time" if name == "bake" else ROLLBACK.title if name == ROLLBACK.name else phase_named(name).label
