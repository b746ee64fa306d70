"""What counts as a number in a document that was read: true and false do not, although Python adds them up."""

from typing import TypeGuard


def is_number(value: object) -> TypeGuard[int | float]:
    """Whether it is a number."""
    return isinstance(value, int | float) and not isinstance(value, bool)
