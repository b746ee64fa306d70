"""Reads a secret on the controller, from the environment or a file, when a plan is made."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from cutover.words.secret import Secret

SecretReader = Callable[[Mapping[str, str], Path], Secret]


class NoSecretError(LookupError):
    """The secret is not there; the message says what is missing."""


def read_secret(source: Mapping[str, str], start: Path) -> Secret:
    """The secret of `{env: NAME}` or `{file: path}`; a relative path starts at `start`, the inventory's directory."""
    if "env" in source:
        text = os.environ.get(source["env"], "")
        if not text:
            raise NoSecretError(f"the environment variable {source['env']} is unset or empty")
        return Secret(text)
    path = start / Path(source["file"]).expanduser()
    try:
        text = path.read_text(encoding="utf-8").removesuffix("\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise NoSecretError(f"the file {source['file']} cannot be read: {reason}") from error
    if not text:
        raise NoSecretError(f"the file {source['file']} is empty")
    return Secret(text)
