"""docs/runbook.md: made from the phases, the roles' steps and checks, the exit codes and templates/runbook.md.j2. Never written by hand."""

from pathlib import Path
from typing import Any

from cutover.decide.phases import PHASES, ROLLBACK
from cutover.hostside.revert import revert_unit
from cutover.tell.checkout import CHECKOUT
from cutover.tell.runbook import entries
from cutover.tell.runbook.entries import COMMON, Entry, entries_of, example_variables, exit_entries


def generate(root: Path = CHECKOUT) -> str:
    """The text of the runbook."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(  # noqa: S701 - Markdown from our own sources
        loader=FileSystemLoader(root / "templates"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"sentence": sentence, "cell": cell}
    phases = [(phase, entries_of(root, phase)) for phase in (*PHASES, ROLLBACK)]
    context: dict[str, Any] = dict(example_variables(root))
    context["revert_unit"] = revert_unit(context["cutover_state_dir"])
    return environment.get_template("runbook.md.j2").render(
        context | {"phases": phases, "common": COMMON, "exits": list(exit_entries()), "checks": is_check}
    )


def lookup(name: str, root: Path = CHECKOUT) -> Entry | None:
    """The entry for a step, a check or an exit code, for the console to print with a failure; None where there is none."""
    return entries.lookup(name, root)


def is_check(entry: Entry) -> bool:
    """Whether an entry is a check and no step: its name is a function's."""
    return entry.symptom.startswith("not so: ")


def sentence(text: str) -> str:
    """A sentence of a text that begins and ends as it likes."""
    text = text.strip()
    first = text[:1].upper() if not text.startswith(("systemctl", "journalctl")) else text[:1]
    return f"{first}{text[1:]}" + ("" if text.endswith((".", "?", "!")) else ".")


def cell(text: str) -> str:
    """Text inside a table of Markdown."""
    return text.replace("|", "\\|").replace("<", "&lt;")
