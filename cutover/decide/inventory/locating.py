"""Finds the environment that a command means: by `--inventory`, by the pattern, or by the configured default."""

from pathlib import Path

from cutover.decide.inventory.patterns import split
from cutover.decide.suggest import did_you_mean, listed
from cutover.words.errors import Problem, UsageError


def locate(pattern: str, inventory_option: str, root: Path, default: str = "") -> Path:
    """The directory of the inventory; `root` is where inventory/ lies, and where a relative `--inventory` starts."""
    if found := named(pattern, inventory_option, root):
        return found
    if default:
        return given(default, root, "CUTOVER_INVENTORY")
    environments = _environments(root)
    words = _words(pattern)
    found_words = f"`{pattern}` does not say which environment is meant" if words else "no environment is named"
    close = did_you_mean(words[0], environments) if words else ""
    advice = f"{close}begin the pattern with one of {listed(environments)}, or give --inventory DIR"
    raise UsageError(Problem(found_words, advice, path="--hosts"))


def named(pattern: str, inventory_option: str, root: Path) -> Path | None:
    """The directory that the option or the pattern names; None where they name none. UsageError where they name two."""
    if inventory_option:
        return given(inventory_option, root)
    environments = _environments(root)
    meant = list(dict.fromkeys(word for word in _words(pattern) if word in environments))
    if len(meant) > 1:
        found = f"the pattern `{pattern}` spans the environments {' and '.join(meant)}"
        advice = "run it once for each; where one of them is meant as a group, name the environment with --inventory"
        raise UsageError(Problem(found, advice, path="--hosts"))
    return root / "inventory" / meant[0] if meant else None


def _words(pattern: str) -> list[str]:
    return [part.word for part in split(pattern) if part.is_plain and part.operator != "!"]


def given(option: str, root: Path, said_by: str = "--inventory") -> Path:
    """The directory that an option names: a path, its hosts.yml, or just the name of an environment."""
    for path in (root / Path(option).expanduser(), root / "inventory" / option):
        if path.is_dir():
            return path
        if path.is_file() and path.name == "hosts.yml":
            return path.parent
    environments = _environments(root)
    advice = f"{did_you_mean(Path(option).name, environments)}there are {listed(environments)}"
    raise UsageError(Problem(f"no inventory at {option}", advice, path=said_by))


def _environments(root: Path) -> list[str]:
    top = root / "inventory"
    return (
        sorted(path.name for path in top.iterdir() if path.is_dir() and not path.name.startswith("."))
        if top.is_dir()
        else []
    )
