"""Times of a journal and names of phases, as people read them."""

from cutover.core.times import moment
from cutover.plan.phases import ROLLBACK, phase_named


def clock(at: str) -> str:
    """The time of day in UTC, to the second."""
    return moment(at).strftime("%H:%M:%S")


def phase_title(name: str) -> str:
    """How a stretch is called on the page."""
    return "Bake time" if name == "bake" else ROLLBACK.title if name == ROLLBACK.name else phase_named(name).label
