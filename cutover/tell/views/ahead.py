"""What `rollback --check` and `abort --check` foresee: run by run, host by host; and the same for `--json`."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from cutover.conduct.foreseeing import HostAhead


def show_ahead(
    back: Sequence[HostAhead], released: Mapping[str, Iterable[str]], say: Callable[[str], None]
) -> dict[str, dict[str, Any]]:
    """Tell it; gives the `hosts` of `--json`."""
    for run in dict.fromkeys(one.run for one in back):
        say(f"run {run} would be undone:")
        for one in back:
            if one.run == run:
                say(f"  {one.host}: {one.stands}")
                for words in one.would:
                    say(f"    < {words}")
    for run, hosts in released.items():
        say(f"run {run} would be given up: {', '.join(hosts)} released; V1 was not touched")
    found = {one.host: {"run": one.run, "stands": one.stands, "would": list(one.would)} for one in reversed(back)}
    held = {
        host: {"run": run, "stands": "held", "would": ["release"]} for run, hosts in released.items() for host in hosts
    }
    return {**held, **found}
