"""A process that dies at a chosen one of its effects on the disk, right before it or right after."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from kpi import durable


class CrashError(BaseException):
    """The process dies here."""


def crash_at(patch: pytest.MonkeyPatch, effects: Sequence[str], number: int, *, after: bool) -> list[str]:
    """Die at the effect of this number, counted over all of `effects` (functions of kpi.durable); gives those that were seen."""
    seen: list[str] = []

    def wrap(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def effect(*args: Any) -> Any:
            seen.append(name)
            if len(seen) == number and not after:
                raise CrashError
            result = real(*args)
            if len(seen) == number:
                raise CrashError
            return result

        return effect

    for name in effects:
        patch.setattr(durable, name, wrap(name, getattr(durable, name)))
    return seen
