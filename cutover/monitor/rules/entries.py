"""Checks one section of rules.yml entry by entry, so that one bad entry hides no other; pydantic's errors in plain words."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from cutover.core.errors import Problem
from cutover.inventory.schema import did_you_mean, listed
from cutover.inventory.yamlfile import Document, dotted


class Places:
    """Where something is written: in the file, or in the variable that changes a rule for an environment."""

    def __init__(self, document: Document, variable: str, overrides: Mapping[str, Any]) -> None:
        self._document, self._variable, self._overrides = document, variable, overrides

    def where(self, *keys: str | int) -> str:
        """`roles/watch/rules.yml:12: rules.latency.window`, or `watch_rules.latency.window` where that is what counts."""
        section, *own = keys or ("",)
        if section == "rules" and len(own) > 1 and self._changed(*own):
            return dotted((self._variable, *own))
        return self._document.where(*keys)

    def _changed(self, rule: str | int, key: str | int, level: str | int = "", *_: str | int) -> bool:
        changes = self._overrides.get(str(rule))
        if not isinstance(changes, Mapping) or key not in changes:
            return False
        inner = changes[key]
        return not level or not isinstance(inner, Mapping) or level in inner


def checked(
    written: Mapping[str, Any], section: str, model: type[BaseModel], places: Places, problems: list[Problem]
) -> dict[str, Any]:
    """The entries of a section that fit; what does not is added to the problems."""
    entries = written[section]
    if not isinstance(entries, dict) or not entries:
        problems.append(
            Problem(f"no {section} are there", f"write `{section}:` and its entries", path=places.where(section))
        )
        return {}
    found: dict[str, Any] = {}
    for name, entry in entries.items():
        if not isinstance(entry, dict):
            problems.append(Problem("is no map", "write its keys", path=places.where(section, name)))
            continue
        try:
            found[name] = model.model_validate(entry)
        except ValidationError as misfit:
            problems += [_problem(error, section, name, model, places) for error in misfit.errors()]
    return found


def keys_of(model: type[BaseModel]) -> list[str]:
    """The keys that an entry may have, as they are written."""
    return [field.alias or name for name, field in model.model_fields.items()]


def _problem(error: ErrorDetails, section: str, name: str, model: type[BaseModel], places: Places) -> Problem:
    keys = tuple(key for key in error["loc"] if key not in {"str", "int", "float"})  # of a choice of types: noise
    where = places.where(section, name, *keys)
    known = keys_of(model)
    if error["type"] == "extra_forbidden":
        advice = f"{did_you_mean(str(keys[-1]), known)}known: {listed(known)}"
        return Problem(f"unknown key `{keys[-1]}`", advice, path=where)
    if error["type"] == "missing":
        return Problem(f"`{keys[-1]}` is missing", f"write `{keys[-1]}: ...`", path=where)
    advice = f"correct it: {error['msg'][0].lower()}{error['msg'][1:]}"
    if error["type"] == "literal_error":
        choices = [
            word
            for word in str(error.get("ctx", {}).get("expected", "")).replace(" or ", ", ").split(", ")
            if word != "''"
        ]
        advice = f"{did_you_mean(str(error['input']), [word.strip(chr(39)) for word in choices])}write one of {', '.join(choices)}"
    return Problem(f"{error['input']!r} does not fit", advice, path=where)
