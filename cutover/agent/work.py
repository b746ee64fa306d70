"""Apply a batch of steps: look, compare, change, look again; stop at the first that is not as it should be."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from typing import Any, NamedTuple

from cutover.agent.clock import now
from cutover.agent.compare import differences

State = dict[str, Any]
Args = Mapping[str, Any]


class CannotChange(Exception):
    """The host is not in a state from which the change may be made; the message says why."""


class LeftAsItIs(CannotChange):
    """The change may not be made any more, and no later attempt can make it: what is there is worth more. The message says why."""


class Work:
    """What a step may need beside its arguments: file contents by digest, the time left, results of earlier steps."""

    def __init__(
        self,
        files: Mapping[str, bytes] | None = None,
        deadline: float = float("inf"),  # on time.monotonic()
        sent_at: float | None = None,  # the controller's clock (Unix seconds) when it asked
        received_at: float | None = None,  # this host's clock then
    ) -> None:
        self.files = files or {}
        self.deadline = deadline
        self.sent_at = sent_at
        self.received_at = time.time() if received_at is None else received_at
        self.results: dict[str, State] = {}

    def seconds_left(self, wanted: float = float("inf")) -> float:
        """Seconds that a part of the work may take: what it wants, but not more than is left of the whole."""
        return max(0.0, min(wanted, self.deadline - time.monotonic()))


Look = Callable[[Args, Work], State]
Change = Callable[[Args, Args, State, Work], None]  # args, desired, before, work
Step = Mapping[str, Any]
Guard = Callable[[], AbstractContextManager[Any]]


class Module(NamedTuple):
    """How steps of one kind look at the host and change it; without `change` they are probes.

    `tidy` removes what a crash left of an earlier change, where there is nothing to change any more.
    """

    look: Look
    change: Change | None = None
    tidy: Callable[[Args], None] | None = None


def look_at(modules: Mapping[str, Module], step: Step, work: Work) -> State:
    """Look once, changing nothing. What cannot be looked at is a state with an `error`, which never meets anything."""
    try:
        return modules[step["kind"]].look(step["args"], work)
    except Exception as failure:  # noqa: BLE001 - whatever it is, the host could not be seen
        return {"error": _say(failure)}


def carry_out(modules: Mapping[str, Module], step: Step, work: Work) -> State:
    """Look, compare, change if need be, look again. Gives the outcome with both looks and what still differs."""
    started, begun_at = time.monotonic(), now()
    before = look_at(modules, step, work)
    after, changed, error, left = before, False, before.get("error"), False
    _, change, tidy = modules[step["kind"]] if not step["probe"] and error is None else (None, None, None)
    wrong = differences(before, step["desired"])
    if tidy is not None and not wrong:
        with suppress(OSError):  # a leftover is in nobody's way
            tidy(step["args"])
    elif change is not None and wrong:
        changed = True
        try:
            change(step["args"], step["desired"], before, work)
        except Exception as failure:  # noqa: BLE001 - whatever it is, the second look shows what came of it
            error, left = _say(failure), isinstance(failure, LeftAsItIs)
        after = look_at(modules, step, work)
    differ = differences(after, step["desired"])
    return {
        "id": step["id"], "ok": not differ and error is None, "changed": changed, "left": left,
        "before": before, "after": after, "differences": differ, "error": error,
        "started_at": begun_at, "finished_at": now(), "seconds": round(time.monotonic() - started, 4),
    }  # fmt: skip


def work_off(
    modules: Mapping[str, Module], steps: Sequence[Step], work: Work, *, keep_going: bool, guard: Guard
) -> Iterator[State]:
    """Carry out steps in order, each inside guard(); give their outcomes.

    Stops after the first that fails and is not optional. With keep_going, as on the way back, only the steps that need a
    failed one are left out; where that one was left as it is, so are they.
    """
    failed: set[str] = set()
    left: set[str] = set()
    for step in steps:
        lacking = failed.intersection(step.get("needs", ()))
        if lacking:
            outcome = _left_out(step, f"it needs {', '.join(sorted(lacking))}", left=lacking <= left)
        elif work.seconds_left() <= 0:  # nobody waits for it any more
            outcome = _left_out(step, "the deadline of the batch has passed")
        else:
            with guard():
                outcome = carry_out(modules, step, work)
        yield outcome
        if not outcome["ok"]:
            failed.add(step["id"])
            left.update({step["id"]} if outcome["left"] else ())
            if not keep_going and not step.get("optional", False):
                return


def _left_out(step: Step, why: str, *, left: bool = False) -> State:
    return {
        "id": step["id"], "ok": False, "changed": False, "left": left,
        "before": {}, "after": {}, "differences": [], "error": f"left out: {why}",
        "started_at": now(), "finished_at": now(), "seconds": 0.0,
    }  # fmt: skip


def _say(failure: Exception) -> str:
    if isinstance(failure, (CannotChange, OSError)):
        return f"{failure}" or type(failure).__name__
    import traceback

    lines = traceback.format_exception(type(failure), failure, failure.__traceback__)
    return "".join(lines[-3:]).strip()  # a bug of ours or a surprise: say where
