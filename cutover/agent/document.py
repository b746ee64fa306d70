"""JSON documents that programs of others wrote: parsed only where they can be sent on, and reckoned with."""

from __future__ import annotations

import json
from typing import Any

LARGEST = 2**63  # of any number: beyond it not even arithmetic is sure to go well
DEEPEST = 32  # lists and objects in each other; less than the answer may have that it is a part of
MOST = 100_000  # values in all


def parsed(text: str) -> Any:
    """The document; ValueError where it is none, or unusable."""
    try:
        document = json.loads(text)
    except RecursionError as deep:
        raise ValueError(str(deep)) from None
    refuse_unusable(document, DEEPEST)
    return document


def refuse_unusable(document: Any, deepest: int) -> None:
    """ValueError where lists and objects stand too deep in each other, values are too many, or a number is none, or too large."""
    todo: list[tuple[Any, int]] = [(document, 1)]
    seen = 0
    while todo:
        here, depth = todo.pop()
        seen += 1
        if seen + len(todo) > MOST:
            raise ValueError(f"more than {MOST} values")
        if isinstance(here, (dict, list)):
            if depth > deepest:
                raise ValueError(f"more than {deepest} lists and objects in each other")
            todo.extend((one, depth + 1) for one in (here.values() if isinstance(here, dict) else here))
        elif isinstance(here, (int, float)) and not -LARGEST <= here <= LARGEST:  # NaN is not between them
            raise ValueError(f"a number beyond {LARGEST}, or none: {str(here)[:100]}")
