"""One entry of a defaults.yml: what it may say, and everything that can be wrong with it."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from cutover.decide.suggest import did_you_mean
from cutover.decide.valuetypes import NUMERIC, TYPES, misfit, named, source_misfit
from cutover.decide.yamlfile import Document
from cutover.words.errors import Problem

KEYS = ("type", "default", "required", "secret", "unit", "min", "max", "choices", "example", "doc")
_NAME = re.compile(r"[a-z][a-z0-9_]*\Z")

Refuse = Callable[[str, str, str], None]  # key of the entry or "", what was found, what to do next


@dataclass(frozen=True)
class Declaration:
    """A variable as its role declares it."""

    name: str
    role: str
    type: str
    doc: str
    where: str
    default: object = None
    required: bool = False
    secret: bool = False
    unit: str = ""
    least: float | None = None
    most: float | None = None
    choices: tuple[str, ...] = ()
    example: object = None

    def misfit(self, value: object) -> str:
        """Why a value does not fit this variable, or "" where it does."""
        return misfit(value, self.type, self.least, self.most, self.choices)

    def wanted(self) -> str:
        """What a value must be, in words: `a number in s, 1 to 600`."""
        bounds = [f"at least {self.least:g}" if self.least is not None else ""]
        bounds += [f"at most {self.most:g}" if self.most is not None else ""]
        choice = f"one of {', '.join(self.choices)}" if self.choices else ""
        return ", ".join(part for part in (choice or self.type, self.unit and f"in {self.unit}", *bounds) if part)


def declaration(role: str, name: str, body: object, document: Document, problems: list[Problem]) -> Declaration | None:
    """The declaration in one entry; None when it cannot be used, with the reasons added to `problems`."""
    before = len(problems)

    def refuse(key: str, found: str, advice: str) -> None:
        where = document.where(name, key) if key else document.where(name)
        problems.append(Problem(found, advice, path=where))

    if not _NAME.match(name) or name.startswith("ansible_"):
        refuse("", f"`{name}` is no name for a variable", "use lower case letters, digits and _; not ansible_...")
    if not isinstance(body, dict):
        advice = f"write {{type: ..., default: {body if body is not None else '...'}, doc: ...}}"
        refuse("", f"is {named(body)}, not a declaration", advice)
        return None
    _check_keys(body, refuse)
    if len(problems) == before:
        _check_bounds(body, refuse)
        _check_presence(body, refuse)
    if len(problems) > before:
        return None
    entry = _made(role, name, body, document.where(name))
    _check_values(entry, body, refuse)
    return entry if len(problems) == before else None


def _made(role: str, name: str, body: dict[str, object], where: str) -> Declaration:
    least, most, choices = body.get("min"), body.get("max"), body.get("choices")
    return Declaration(
        name=name,
        role=role,
        type=str(body["type"]),
        doc=str(body["doc"]).strip(),
        where=where,
        default=body.get("default"),
        required=body.get("required") is True,
        secret=body.get("secret") is True,
        unit=str(body.get("unit", "")),
        least=least if isinstance(least, int | float) else None,
        most=most if isinstance(most, int | float) else None,
        choices=tuple(choices) if isinstance(choices, list) else (),
        example=body.get("example"),
    )


def _check_keys(body: dict[str, object], refuse: Refuse) -> None:
    """Each key is known and of its own type."""
    expected = {
        "doc": "string",
        "unit": "string",
        "required": "boolean",
        "secret": "boolean",
        "choices": "list[string]",
    }
    expected |= {"min": "number", "max": "number"}
    for key, value in body.items():
        if key not in KEYS:
            refuse(key, f"unknown key `{key}`", f"{did_you_mean(key, KEYS)}known are {', '.join(KEYS)}")
        elif key in expected and (reason := TYPES[expected[key]](value)):
            refuse(key, f"`{key}` {reason}", "correct it")
    type_ = body.get("type")
    if not isinstance(type_, str) or type_ not in TYPES:
        found = f"`type` is {named(type_)}" if "type" in body else "has no `type`"
        refuse("type", found, f"{did_you_mean(str(type_), TYPES)}types are {', '.join(TYPES)}")
    if not str(body.get("doc") or "").strip():
        refuse("doc", "has no `doc`", "say in one sentence what the variable does")


def _check_bounds(body: dict[str, object], refuse: Refuse) -> None:
    """Bounds, units and choices stand only where they mean something."""
    numeric = body["type"] in NUMERIC
    for key in ("min", "max", "unit"):
        if key in body and not numeric:
            refuse(key, f"`{key}` with the type {body['type']}", f"remove it; it goes with {', '.join(NUMERIC)}")
    least, most = body.get("min"), body.get("max")
    if isinstance(least, int | float) and isinstance(most, int | float) and least > most:
        refuse("min", f"`min` {least} is above `max` {most}", "exchange them")
    if (body["type"] == "choice") != bool(body.get("choices")):
        refuse("choices", "`type: choice` and `choices` go together", "give both, or neither")
    if body.get("secret") and body["type"] != "string":
        refuse("secret", f"a secret of the type {body['type']}", "make it a string")


def _check_presence(body: dict[str, object], refuse: Refuse) -> None:
    """A default, or required with an example."""
    required = body.get("required") is True
    if required and "default" in body:
        refuse("required", "is required and has a default", "keep one of the two")
    if not required and "default" not in body:
        refuse("", "has neither `default` nor `required: true`", "give one of the two")
    if required and "example" not in body:
        refuse("", "is required and has no `example`", "show a value that a person could start from")


def _check_values(entry: Declaration, body: dict[str, object], refuse: Refuse) -> None:
    """Default and example are values that the variable could take."""
    for key in ("default", "example"):
        value = body.get(key)
        if key not in body:
            continue
        if entry.secret:
            if value != "" and not is_source(value) and not (isinstance(value, str) and "{{" in value):
                refuse(key, f"the `{key}` of a secret is written out", "write {env: NAME} or {file: path}")
        elif not (isinstance(value, str) and "{{" in value) and (reason := entry.misfit(value)):
            refuse(key, f"`{key}` {reason}", f"make it {entry.wanted()}")


def is_source(value: object) -> bool:
    """Whether the value says where a secret comes from: `{env: NAME}` or `{file: path}`."""
    return not source_misfit(value)
