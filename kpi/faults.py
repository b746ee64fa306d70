"""Describe an error of our own and where it came from, without any content of the tape that it happened on."""

import re
import traceback

from kpi.personal import shown

_QUOTED = re.compile(r"'([^']*)'|\"([^\"]*)\"")


def describe_error(error: Exception) -> tuple[str, str]:
    """The error in one line, and the whole traceback; what is quoted in a message may be a cell, and is shown as one."""
    lines = "".join(traceback.format_exception(error)).splitlines()
    # Lines of code are indented, messages are not.
    whole = "\n".join(line if line.startswith("  ") else _hidden(line) for line in lines)
    return _hidden(f"{type(error).__name__}: {error}"), f"{whole}\n"


def _hidden(message: str) -> str:
    return _QUOTED.sub(lambda found: f"'{shown(found[1] or found[2] or '')}'", message)
