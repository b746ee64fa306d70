"""Single steps, looked at and carried out on this machine."""

from typing import Any

from cutover.agent.modules import MODULES
from cutover.agent.work import State, Work, carry_out, look_at


def look(kind: str, *, work: Work | None = None, **args: Any) -> State:
    """What a step of this kind sees."""
    return look_at(MODULES, {"id": "s", "kind": kind, "args": args}, work or Work())


def do(
    kind: str, args: dict[str, Any], desired: dict[str, Any], *, work: Work | None = None, probe: bool = False
) -> State:
    """The outcome of a step that is to bring about what is desired."""
    step = {"id": "s", "kind": kind, "args": args, "desired": desired, "probe": probe}
    return carry_out(MODULES, step, work or Work())
