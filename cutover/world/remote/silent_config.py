"""Whether a file of the SSH configuration says nothing of the way to a host, as the one that Debian ships: then nobody is asked."""

import re
from pathlib import Path

# What may be said for every host without changing where we go, who logs in, with what, or which host key is believed.
_HARMLESS = {
    "sendenv",
    "setenv",
    "hashknownhosts",
    "gssapiauthentication",
    "gssapidelegatecredentials",
    "forwardx11trusted",
}
_PLAIN = re.compile(
    r"(/[A-Za-z0-9_.+-]+)*/[A-Za-z0-9_.+*-]+\Z"
)  # an absolute path, and a pattern only as its last part
_DEPTH = 8


def says_nothing(path: Path, depth: int = _DEPTH) -> bool:
    """Reads no meaning into it: any word that is not known to be harmless makes it a file that must be asked about."""
    if depth == 0:
        return False
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return True  # there is none; and what cannot be read here, ssh cannot read either
    lines = (line.strip().replace("=", " ", 1).split() for line in text.splitlines())
    return all(_is_harmless(words, depth) for words in lines if words and not words[0].startswith("#"))


def _is_harmless(words: list[str], depth: int) -> bool:
    option, *values = words
    if option.lower() == "include":
        return all(_PLAIN.match(value) and _are_silent(Path(value), depth - 1) for value in values)
    return option.lower() in _HARMLESS or [option.lower(), *values] == ["host", "*"]


def _are_silent(pattern: Path, depth: int) -> bool:
    """The files of an Include, whose last part may be a pattern."""
    return all(says_nothing(file, depth) for file in pattern.parent.glob(pattern.name))
