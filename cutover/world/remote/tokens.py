"""Fills in what `ssh -G` leaves as it is written: the tokens (%h, %r) and variables (${NAME}) of file names and of a ProxyCommand."""

import getpass
import os
import re
import socket
from collections.abc import Mapping
from pathlib import Path

_TOKEN = re.compile(r"%(?P<token>.)|\$\{(?P<variable>[^}]*)\}", re.DOTALL)


class TokenError(ValueError):
    """A token that is not known here, or a variable that is not set."""


def expand(text: str, tokens: Mapping[str, str], *, only: str = "") -> str:
    """The text with its tokens filled in; `only` is for what takes no more than those, and no variables (ProxyCommand)."""
    known = {**tokens, "%": "%"}
    if not only:
        known |= {"d": str(Path.home()), "i": str(os.getuid()), "l": socket.gethostname(), "u": getpass.getuser()}
        known["L"] = known["l"].split(".")[0]

    def fill(match: re.Match[str]) -> str:
        if match["token"] is not None:
            if match["token"] not in known:
                raise TokenError(f"`%{match['token']}` in `{text}`")
            return known[match["token"]]
        if only:
            return match[0]
        if match["variable"] not in os.environ:
            raise TokenError(f"`{match[0]}` in `{text}`: the variable is not set")
        return os.environ[match["variable"]]

    return _TOKEN.sub(fill, text)
