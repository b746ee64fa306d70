"""The tables of docs/commands.md: made from the commands themselves, so that none is missing and none is told that is not there."""

import inspect
from collections.abc import Iterable

from cutover.entry.commands import Command, Number
from cutover.entry.options import HELP

BEGIN, END = "<!-- made by `./invokew runbook` -->", "<!-- end of what is made -->"


def page(text: str, commands: Iterable[Command]) -> str:
    """The page with its tables anew; what stands around them is written by hand."""
    every = list(commands)
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    return f"{before}{BEGIN}\n\n{_commands(every)}\n\n{_options(every)}\n\n{END}{after}"


def _commands(commands: Iterable[Command]) -> str:
    rows = [
        f"| `{command.full}` | {_cell(inspect.getdoc(command.body) or '')} | {_dry(command)} | {_spelled(command)} |"
        for command in commands
    ]
    return "\n".join(["| command | what it does | with `--dry` | options |", "|---|---|---|---|", *rows])


def _dry(command: Command) -> str:
    if "check" in command.options:
        return "as `--check`"
    return "runs: it only looks" if command.looks else "refused (2)"


def _spelled(command: Command) -> str:
    return ", ".join(f"`{_flag(name)}`" for name in command.options) or "none"


def _options(commands: Iterable[Command]) -> str:
    found: dict[str, tuple[str, set[str]]] = {}
    for command in commands:
        for name, option in command.options.items():
            kind = "" if option.annotation is bool else " N" if option.annotation in (int, Number) else " WORDS"
            default = option.default if option.default not in (False, None, "", inspect.Parameter.empty) else ""
            known = found.setdefault(f"{_flag(name)}{kind}", (HELP[name.replace("_", "-")], set()))
            known[1].update([f"`{default}`"] if default else [])
    rows = [f"| `{name}` | {_cell(words)} | {', '.join(sorted(default))} |" for name, (words, default) in found.items()]
    return "\n".join(["| option | what it means | where it is left away |", "|---|---|---|", *rows])


def _flag(name: str) -> str:
    return f"-{name}" if len(name) == 1 else f"--{name.replace('_', '-')}"


def _cell(words: str) -> str:
    return " ".join(words.split()).replace("|", "\\|").replace("<", "&lt;")
