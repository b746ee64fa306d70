"""Ask all hosts at once what their checks will ask: checks run one after another, and during an outage each round trip counts.

Before pytest runs the checks, each host's checks are gone through in a thread of its own, only to hear the host's
answers. When pytest then runs and judges them, each question finds its answer waiting, once; any other is asked live.
"""

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from cutover.world.remote.base import Result, Transport

AT_ONCE = 10  # hosts
GIVEN = {"host", "wanted"}  # what a check may ask for and still be gone through ahead
NAMES = {"request", "host_name"}  # what these ask for in turn


class Remembering:
    """A transport that keeps what the host answered to shell text while it is gathering, and gives each answer out once."""

    def __init__(self, transport: Transport) -> None:
        self.name = transport.name
        self.gathering = False
        self._transport = transport
        self._answers: dict[tuple[str, bool], deque[Result]] = defaultdict(deque)

    def shell(self, script: str, *, stdin: bytes = b"", sudo: bool = False, deadline: float) -> Result:
        """Run shell text, or give the answer that was gathered for it."""
        waiting = self._answers[script, sudo]
        if not self.gathering and waiting:
            return waiting.popleft()
        result = self._transport.shell(script, stdin=stdin, sudo=sudo, deadline=deadline)
        if self.gathering:
            waiting.append(result)
        return result

    def __getattr__(self, name: str) -> Any:
        """Everything else is the transport's own affair."""
        return getattr(self._transport, name)


def gather(
    items: Iterable[pytest.Item], transports: dict[str, Remembering], given: Callable[[str], dict[str, Any]]
) -> None:
    """Go through the checks of all hosts, each host in a thread of its own."""
    by_host: dict[str, list[pytest.Function]] = defaultdict(list)
    for item in items:
        if (
            isinstance(item, pytest.Function)
            and "host" in item.fixturenames
            and set(item.fixturenames) - NAMES <= GIVEN
        ):
            by_host[str(item.callspec.params["host_name"])].append(item)
    with ThreadPoolExecutor(max_workers=AT_ONCE, thread_name_prefix="ask-ahead") as threads:
        list(threads.map(lambda name: _go_through(by_host[name], transports[name], given(name)), by_host))


def _go_through(checks: Sequence[pytest.Function], transport: Remembering, given: dict[str, Any]) -> None:
    transport.gathering = True
    for check in checks:
        names = check.obj.__code__.co_varnames[: check.obj.__code__.co_argcount]
        try:
            check.obj(**{name: given[name] for name in names})
        except BaseException:  # noqa: BLE001, S112 - nothing is judged here: pytest runs the same check again and judges it
            continue
    transport.gathering = False
